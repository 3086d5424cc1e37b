# Four functions, one image: two workers, the api, the canary.

module "standard" {
  source = "../modules/lane"

  queue_name    = "${var.name}-jobs"
  function_name = "${var.name}-worker"
  description   = "Inverts what comes in."
  image_uri     = var.image_uri

  memory_mb            = var.standard.memory_mb
  timeout_s            = var.standard.timeout_s
  batch_size           = var.standard.batch_size
  batching_window_s    = var.standard.batching_window_s
  maximum_concurrency  = var.standard.maximum_concurrency
  pollers              = var.standard.pollers
  visibility_timeout_s = var.standard.visibility_timeout_s

  message_retention_s = local.message_retention_s
  max_receive_count   = var.max_receive_count
  dead_letter_queue   = { arn = aws_sqs_queue.dead.arn, url = aws_sqs_queue.dead.url }
  notified_by         = { arn = module.inputs.arn, account_id = local.account_id }

  environment = merge(local.environment, { for queue in local.large[*].queue : "MATINV_LARGE_QUEUE_URL" => queue.url }, local.batch_environment)
  statements  = concat(local.worker_statements, local.allow_forward, local.large == null ? local.allow_forward_to_batch : [], local.allow_key)

  service                  = local.metrics_service
  metrics_namespace        = local.metrics_namespace
  log_level                = var.log_level
  log_retention_days       = var.log_retention_days
  permissions_boundary_arn = var.permissions_boundary_arn
  kms_key_arn              = local.key_arn
  vpc                      = local.vpc
}

module "large" {
  source = "../modules/lane"
  count  = var.large == null ? 0 : 1

  queue_name    = "${var.name}-large"
  function_name = "${var.name}-worker-large"
  description   = "Inverts what is too large for ${var.name}-worker, one job at a time."
  image_uri     = var.image_uri

  memory_mb            = var.large.memory_mb
  timeout_s            = var.large.timeout_s
  batch_size           = 1
  batching_window_s    = 0
  maximum_concurrency  = var.large.maximum_concurrency
  pollers              = var.large.pollers
  visibility_timeout_s = var.large.visibility_timeout_s

  message_retention_s = local.message_retention_s
  max_receive_count   = var.max_receive_count
  dead_letter_queue   = { arn = aws_sqs_queue.dead.arn, url = aws_sqs_queue.dead.url }

  environment = merge(local.environment, local.batch_environment)
  statements  = concat(local.worker_statements, local.allow_forward_to_batch, local.allow_key)

  service                  = local.metrics_service
  metrics_namespace        = local.metrics_namespace
  log_level                = var.log_level
  log_retention_days       = var.log_retention_days
  permissions_boundary_arn = var.permissions_boundary_arn
  kms_key_arn              = local.key_arn
  vpc                      = local.vpc
}

# Stacks from before the lane could be left out.
moved {
  from = module.large
  to   = module.large[0]
}

module "api" {
  source = "../modules/function"

  name        = "${var.name}-api"
  description = "Inverts the matrix of a call and answers at once; by its URL it serves the HTTP API."
  image_uri   = var.image_uri
  handler     = "matinv.handlers.api.handler"
  memory_mb   = var.api.memory_mb
  timeout_s   = var.api.timeout_s
  publish     = true
  snap_start  = var.api.snap_start

  reserved_concurrency = var.api.reserved_concurrency

  environment = merge(local.environment, { MATINV_JOBS_QUEUE_URL = module.standard.queue.url })
  statements = concat(local.allow_key, [
    local.allow.list_objects,
    local.allow.read_inputs,
    local.allow.sign_uploads,
    local.allow.read_results,
    local.allow.write_results,
    local.allow.read_records,
    local.allow.write_records,
    local.allow.list_records,
    local.allow_submit,
    local.allow.take_letters,
    local.allow.announce,
  ])

  service                  = local.metrics_service
  metrics_namespace        = local.metrics_namespace
  log_level                = var.log_level
  log_retention_days       = var.log_retention_days
  permissions_boundary_arn = var.permissions_boundary_arn
  kms_key_arn              = local.key_arn
  vpc                      = local.vpc
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  description      = "What callers get. scripts/shift points it to a new version, by and by."
  function_name    = module.api.name
  function_version = module.api.version # of the first apply

  lifecycle {
    ignore_changes = [function_version, routing_config]
  }
}

# Ready before the first call. While scripts/shift gives both versions their shares, it cannot be changed (Lambda guide).
resource "aws_lambda_provisioned_concurrency_config" "api" {
  count = var.api.provisioned_concurrency == null ? 0 : 1

  function_name                     = module.api.name
  qualifier                         = aws_lambda_alias.live.name
  provisioned_concurrent_executions = var.api.provisioned_concurrency
}

resource "aws_lambda_function_url" "api" {
  function_name      = module.api.name
  qualifier          = aws_lambda_alias.live.name
  authorization_type = "AWS_IAM"
}

# Both permissions that a function URL asks for since October 2025. Provider 5.100 cannot restrict the second to calls
# through the URL: these callers may invoke the function directly as well, which is a supported way in anyhow.
resource "aws_lambda_permission" "url" {
  for_each = var.api.callers

  function_name          = module.api.name
  qualifier              = aws_lambda_alias.live.name
  action                 = "lambda:InvokeFunctionUrl"
  principal              = each.value
  function_url_auth_type = "AWS_IAM"
}

resource "aws_lambda_permission" "invoke" {
  for_each = var.api.callers

  function_name = module.api.name
  qualifier     = aws_lambda_alias.live.name
  action        = "lambda:InvokeFunction"
  principal     = each.value
}

# An asynchronous call was accepted: when its retries are used up Lambda writes it, with this role, into the results bucket,
# below aws/lambda/async/<function>/. Not to the dead letters: a call has up to 1 MB, a message of the queue 256 KiB, and what
# does not fit would be lost. Callers that name no alias reach $LATEST.
resource "aws_lambda_function_event_invoke_config" "api" {
  for_each = toset(["$LATEST", aws_lambda_alias.live.name])

  function_name                = module.api.name
  qualifier                    = each.value
  maximum_retry_attempts       = 2
  maximum_event_age_in_seconds = 21600

  destination_config {
    on_failure {
      destination = module.results.arn
    }
  }
}

module "canary" {
  source = "../modules/function"

  name        = "${var.name}-canary"
  description = "Submits a job whose answer is known, waits for it, and beats if it is right."
  image_uri   = var.image_uri
  handler     = "matinv.handlers.canary.handler"
  memory_mb   = 512
  timeout_s   = 120

  environment = merge(local.environment, { MATINV_JOBS_QUEUE_URL = module.standard.queue.url }, local.batch_environment)
  statements  = concat(local.canary_statements, [local.allow_submit], local.allow_replace_tickets, local.allow_key)

  service                  = local.metrics_service
  metrics_namespace        = local.metrics_namespace
  log_level                = var.log_level
  log_retention_days       = var.log_retention_days
  permissions_boundary_arn = var.permissions_boundary_arn
  kms_key_arn              = local.key_arn
  vpc                      = local.vpc
}

# A beat that fails is followed by the next; a retry would only blur which one was late.
resource "aws_lambda_function_event_invoke_config" "canary" {
  function_name                = module.canary.name
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = 60
}

resource "aws_iam_role" "scheduler" {
  name                 = "${var.name}-scheduler"
  description          = "Lets EventBridge Scheduler invoke the canary."
  permissions_boundary = var.permissions_boundary_arn

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "scheduler.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = local.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "scheduler" {
  name = "invoke"
  role = aws_iam_role.scheduler.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "Invoke"
      Effect   = "Allow"
      Action   = ["lambda:InvokeFunction"]
      Resource = [module.canary.arn]
    }]
  })
}

resource "aws_scheduler_schedule" "canary" {
  #checkov:skip=CKV_AWS_297:The schedule's input is an empty object.

  name                = "${var.name}-canary"
  description         = "The stack's heartbeat; without it alarm ${var.name}-canary fires."
  schedule_expression = var.canary_rate

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = module.canary.arn
    role_arn = aws_iam_role.scheduler.arn
    input    = jsonencode({})

    retry_policy {
      maximum_retry_attempts       = 0
      maximum_event_age_in_seconds = 60
    }
  }

  depends_on = [aws_iam_role_policy.scheduler]
}
