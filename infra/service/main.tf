# A stack: buckets, table, dead letters and events here; lanes, api and canary beside; see ../README.md for the picture.

data "aws_caller_identity" "current" {
  lifecycle {
    postcondition {
      condition     = var.account_id == null || self.account_id == var.account_id
      error_message = "account_id is ${coalesce(var.account_id, "none")}, but these credentials are of account ${self.account_id}: take the stack's own, or a second one would be made there."
    }
  }
}
data "aws_region" "current" {}
data "aws_partition" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  region     = data.aws_region.current.id
  partition  = data.aws_partition.current.partition

  bucket_suffix = "${local.account_id}-${local.region}"

  # SQS counts a message's life from its first sending, also after it was moved to the dead letters: what died after four
  # days in the queue has ten left there.
  message_retention_s     = 4 * 86400
  dead_letter_retention_s = 14 * 86400

  # The names that matinv.settings reads. Lanes add MATINV_JOBS_QUEUE_URL, their own queue.
  environment = {
    MATINV_INPUTS_BUCKET       = module.inputs.id
    MATINV_RESULTS_BUCKET      = module.results.id
    MATINV_JOBS_TABLE          = aws_dynamodb_table.jobs.name
    MATINV_DLQ_URL             = aws_sqs_queue.dead.url
    MATINV_EVENTS_TOPIC_ARN    = aws_sns_topic.events.arn
    MATINV_INLINE_RESULT_BYTES = tostring(var.inline_result_bytes)
    MATINV_RETENTION_DAYS      = tostring(var.record_retention_days)
    MATINV_FAIR_BY             = var.fair_by
  }
  client_environment = merge(
    local.environment,
    { MATINV_JOBS_QUEUE_URL = module.standard.queue.url },
    { for queue in local.large[*].queue : "MATINV_LARGE_QUEUE_URL" => queue.url },
    local.batch_environment,
  )

  # The large lane, or null; and all lanes that there are.
  large = one(module.large)
  lanes = merge({ standard = module.standard }, { for lane in local.large[*] : "large" => lane })

  input_endings = [".npy", ".json", ".npz"]

  # Where all functions' own metrics go, and the alarms look.
  metrics_namespace = "matinv"
  metrics_service   = var.name
}

module "inputs" {
  source = "../modules/bucket"

  name        = coalesce(var.inputs_bucket_name, "${var.name}-inputs-${local.bucket_suffix}")
  expire_days = var.inputs_expire_days
  disposable  = var.disposable
  kms_key_arn = local.key_arn
}

module "results" {
  source = "../modules/bucket"

  name        = coalesce(var.results_bucket_name, "${var.name}-results-${local.bucket_suffix}")
  expire_days = var.results_expire_days
  disposable  = var.disposable
  kms_key_arn = local.key_arn
}

# Files that hold matrices, by the endings of matinv.formats.codecs. What else a synchronised folder has in it (.DS_Store,
# _SUCCESS, notes) would be a failed job and a dead letter each. S3 tells small letters from capitals: "x.Npy" is left alone.
resource "aws_s3_bucket_notification" "inputs" {
  bucket = module.inputs.id

  dynamic "queue" {
    for_each = flatten([for ending in local.input_endings : [ending, upper(ending)]])

    content {
      id            = "jobs${queue.value}"
      queue_arn     = module.standard.queue.arn
      events        = ["s3:ObjectCreated:*"]
      filter_suffix = queue.value
    }
  }

  # S3 tries the queue at once, and refuses one whose policy does not let it in yet.
  depends_on = [module.standard]
}

resource "aws_dynamodb_table" "jobs" {
  #checkov:skip=CKV_AWS_119:Encrypted with DynamoDB's own key unless customer_key says otherwise: one's own is billed per request and adds a permission to every reader.

  name                        = "${var.name}-jobs"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "job_id"
  deletion_protection_enabled = !var.disposable

  attribute {
    name = "job_id"
    type = "S"
  }

  attribute {
    name = "listing"
    type = "S"
  }

  attribute {
    name = "updated_at"
    type = "S"
  }

  attribute {
    name = "run_listing"
    type = "S"
  }

  attribute {
    name = "run_place"
    type = "S"
  }

  global_secondary_index {
    name            = "by-status"
    hash_key        = "listing"
    range_key       = "updated_at"
    projection_type = "KEYS_ONLY" # results inside records are not paid for a second time
  }

  global_secondary_index {
    name               = "by-run"
    hash_key           = "run_listing" # a run in eight shards: one key takes 1,000 writes a second
    range_key          = "run_place"
    projection_type    = "INCLUDE" # what counting a run needs, so that no record is read for it
    non_key_attributes = ["created_at", "error_code"]
  }

  ttl {
    attribute_name = "expires_at"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = var.customer_key # false means: with DynamoDB's own key instead of one that is billed per request
    kms_key_arn = local.key_arn
  }
}

# Jobs that need a person, of all lanes.
resource "aws_sqs_queue" "dead" {
  name                       = "${var.name}-dead"
  message_retention_seconds  = local.dead_letter_retention_s
  visibility_timeout_seconds = 300
  receive_wait_time_seconds  = 5
  max_message_size           = 262144

  sqs_managed_sse_enabled           = var.customer_key ? null : true
  kms_master_key_id                 = local.key_arn
  kms_data_key_reuse_period_seconds = var.customer_key ? 3600 : null
}

resource "aws_sqs_queue_policy" "dead" {
  queue_url = aws_sqs_queue.dead.url
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = aws_sqs_queue.dead.arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

resource "aws_sqs_queue_redrive_allow_policy" "dead" {
  queue_url = aws_sqs_queue.dead.url
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = concat([module.standard.queue.arn], local.large[*].queue.arn, local.huge[*].queue.arn, local.grid[*].queue.arn)
  })
}

# What became of each job, for whoever subscribes; message attributes (status, tags) make it filterable.
resource "aws_sns_topic" "events" {
  name              = "${var.name}-events"
  kms_master_key_id = var.customer_key ? local.key_arn : "alias/aws/sns"
}

resource "aws_sns_topic_policy" "events" {
  arn = aws_sns_topic.events.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "ThisAccount"
        Effect    = "Allow"
        Principal = { AWS = "arn:${local.partition}:iam::${local.account_id}:root" }
        Action    = ["sns:Publish", "sns:Subscribe", "sns:GetTopicAttributes"]
        Resource  = aws_sns_topic.events.arn
      },
      {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.events.arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}
