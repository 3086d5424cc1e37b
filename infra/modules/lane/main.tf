# A lane: a queue, the worker that empties it, and the mapping between them. There is no lane without a dead-letter
# queue, and no way to set a visibility timeout that delivers a message again while it is still being worked on.

terraform {
  required_version = ">= 1.9, < 2"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }
}

locals {
  # AWS's rule for SQS and Lambda: six times the function's timeout, so that throttled polls are tried again before the
  # message shows up a second time, and the window in which the poller already holds it.
  least_visibility_s = 6 * var.timeout_s + var.batching_window_s
  visibility_s       = coalesce(var.visibility_timeout_s, local.least_visibility_s)
}

resource "aws_sqs_queue" "this" {
  name                       = var.queue_name
  visibility_timeout_seconds = local.visibility_s
  message_retention_seconds  = var.message_retention_s
  receive_wait_time_seconds  = 20
  max_message_size           = 262144

  # SQS' own key, or one that is given: either, not both.
  sqs_managed_sse_enabled           = var.kms_key_arn == null ? true : null
  kms_master_key_id                 = var.kms_key_arn
  kms_data_key_reuse_period_seconds = var.kms_key_arn == null ? null : 3600 # calls to KMS are paid for

  redrive_policy = jsonencode({
    deadLetterTargetArn = var.dead_letter_queue.arn
    maxReceiveCount     = var.max_receive_count
  })

  lifecycle {
    precondition {
      condition     = local.visibility_s >= local.least_visibility_s && local.visibility_s <= 43200
      error_message = "visibility_timeout_s (${local.visibility_s}) must be from ${local.least_visibility_s} (6 x timeout + window) to 43200 (SQS's limit): below that a message is delivered again while its job is still running, and is done twice or dies without a fault of its own."
    }
  }
}

resource "aws_sqs_queue_policy" "this" {
  queue_url = aws_sqs_queue.this.url
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sqs:*"
        Resource  = aws_sqs_queue.this.arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }],
      # Both guards: a bucket's ARN holds no account, so that somebody who makes a bucket of this name after it was
      # deleted could send here.
      [for bucket in var.notified_by[*] : {
        Sid       = "Notifications"
        Effect    = "Allow"
        Principal = { Service = "s3.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = aws_sqs_queue.this.arn
        Condition = {
          ArnEquals    = { "aws:SourceArn" = bucket.arn }
          StringEquals = { "aws:SourceAccount" = bucket.account_id }
        }
      }],
    )
  })
}

module "worker" {
  source = "../function"

  name        = var.function_name
  description = var.description
  image_uri   = var.image_uri
  handler     = "matinv.handlers.worker.handler"
  memory_mb   = var.memory_mb
  timeout_s   = var.timeout_s

  # The worker puts messages off on the queue that it empties: in each lane "the jobs queue" is the lane's own.
  environment = merge(var.environment, { MATINV_JOBS_QUEUE_URL = aws_sqs_queue.this.url })

  statements = concat(var.statements, [{
    Sid    = "EmptyTheQueue"
    Effect = "Allow"
    Action = [
      "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes",
    ]
    Resource = [aws_sqs_queue.this.arn]
  }])

  service                  = var.service
  metrics_namespace        = var.metrics_namespace
  log_level                = var.log_level
  log_retention_days       = var.log_retention_days
  permissions_boundary_arn = var.permissions_boundary_arn
  kms_key_arn              = var.kms_key_arn
  vpc                      = var.vpc
}

resource "aws_lambda_event_source_mapping" "this" {
  event_source_arn                   = aws_sqs_queue.this.arn
  function_name                      = module.worker.arn
  batch_size                         = var.batch_size
  maximum_batching_window_in_seconds = var.batching_window_s
  function_response_types            = ["ReportBatchItemFailures"]

  # Bounds the workers. A reserved concurrency would throttle them instead, and every throttled poll counts as a receive
  # on a message's way to the dead-letter queue.
  dynamic "scaling_config" {
    for_each = var.pollers == null ? [var.maximum_concurrency] : []

    content {
      maximum_concurrency = scaling_config.value
    }
  }

  # Lambda takes one of the two: here the number of pollers bounds the workers, ten each.
  dynamic "provisioned_poller_config" {
    for_each = var.pollers[*]

    content {
      minimum_pollers = provisioned_poller_config.value.minimum
      maximum_pollers = provisioned_poller_config.value.maximum
    }
  }

  # FailedInvokeEventCount and DroppedEventCount exist only when asked for.
  metrics_config {
    metrics = ["EventCount"]
  }

  # Lambda refuses a mapping whose role may not read the queue yet.
  depends_on = [module.worker]
}
