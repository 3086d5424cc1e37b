# The whole stack, applied to nothing. Each thing that others refer to gets an ARN of its own, so that a wire to the wrong
# one shows. tests/infra reads the state of the first run and judges environments, permissions and alarms.

mock_provider "aws" {
  source = "../testing/mocks"
}

variables {
  image_uri = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/matinv@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
}

override_resource {
  target = module.inputs.aws_s3_bucket.this
  values = { id = "inputs", arn = "arn:aws:s3:::inputs" }
}

override_resource {
  target = module.results.aws_s3_bucket.this
  values = { id = "results", arn = "arn:aws:s3:::results" }
}

override_resource {
  target = module.standard.aws_sqs_queue.this
  values = {
    arn = "arn:aws:sqs:eu-west-1:123456789012:matinv-jobs"
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/matinv-jobs"
  }
}

override_resource {
  target = module.large[0].aws_sqs_queue.this
  values = {
    arn = "arn:aws:sqs:eu-west-1:123456789012:matinv-large"
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/matinv-large"
  }
}

override_resource {
  target = aws_sqs_queue.dead
  values = {
    arn = "arn:aws:sqs:eu-west-1:123456789012:matinv-dead"
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/matinv-dead"
  }
}

override_resource {
  target = aws_dynamodb_table.jobs
  values = { arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/matinv-jobs" }
}

override_resource {
  target = aws_sns_topic.events
  values = { arn = "arn:aws:sns:eu-west-1:123456789012:matinv-events" }
}

override_resource {
  target = module.monitoring.aws_sns_topic.this["alarms"]
  values = { arn = "arn:aws:sns:eu-west-1:123456789012:matinv-alarms" }
}

override_resource {
  target = module.monitoring.aws_sns_topic.this["pages"]
  values = { arn = "arn:aws:sns:eu-west-1:123456789012:matinv-pages" }
}

override_resource {
  target = module.standard.module.worker.aws_lambda_function.this
  values = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:matinv-worker", version = "$LATEST" }
}

override_resource {
  target = module.large[0].module.worker.aws_lambda_function.this
  values = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:matinv-worker-large", version = "$LATEST" }
}

override_resource {
  target = module.api.aws_lambda_function.this
  values = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:matinv-api", version = "7" }
}

override_resource {
  target = module.canary.aws_lambda_function.this
  values = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:matinv-canary", version = "$LATEST" }
}

override_resource {
  target = module.standard.aws_lambda_event_source_mapping.this
  values = { uuid = "11111111-1111-1111-1111-111111111111" }
}

override_resource {
  target = module.large[0].aws_lambda_event_source_mapping.this
  values = { uuid = "22222222-2222-2222-2222-222222222222" }
}

run "defaults" {
  assert {
    condition     = aws_s3_bucket_notification.inputs.bucket == "inputs" && aws_s3_bucket_notification.inputs.queue[0].queue_arn == "arn:aws:sqs:eu-west-1:123456789012:matinv-jobs"
    error_message = "uploads are not announced on the jobs queue"
  }

  assert {
    condition     = alltrue([for queue in aws_s3_bucket_notification.inputs.queue : queue.events == toset(["s3:ObjectCreated:*"])])
    error_message = "some ways to upload would pass in silence"
  }

  assert {
    condition     = toset(aws_s3_bucket_notification.inputs.queue[*].filter_suffix) == toset([".npy", ".NPY", ".npz", ".NPZ", ".json", ".JSON"])
    error_message = "files that hold matrices would pass in silence, or others become failed jobs"
  }

  assert {
    condition     = length(distinct(aws_s3_bucket_notification.inputs.queue[*].filter_suffix)) == length(aws_s3_bucket_notification.inputs.queue) && length(aws_s3_bucket_notification.inputs.topic) == 0
    error_message = "uploads are announced more than once"
  }

  assert {
    condition     = jsondecode(aws_sqs_queue_redrive_allow_policy.dead.redrive_allow_policy) == { redrivePermission = "byQueue", sourceQueueArns = ["arn:aws:sqs:eu-west-1:123456789012:matinv-jobs", "arn:aws:sqs:eu-west-1:123456789012:matinv-large"] }
    error_message = "other queues could send their dead here, or these could not"
  }

  assert {
    condition     = aws_sqs_queue.dead.message_retention_seconds == 14 * 86400 && aws_sqs_queue.dead.sqs_managed_sse_enabled
    error_message = "dead letters are not kept for 14 days, encrypted"
  }

  assert {
    condition     = aws_dynamodb_table.jobs.billing_mode == "PAY_PER_REQUEST" && aws_dynamodb_table.jobs.deletion_protection_enabled
    error_message = "the table is not on demand, or easily lost"
  }

  assert {
    condition     = one(aws_dynamodb_table.jobs.ttl).attribute_name == "expires_at" && one(aws_dynamodb_table.jobs.ttl).enabled && one(aws_dynamodb_table.jobs.point_in_time_recovery).enabled
    error_message = "records live for ever, or cannot be restored"
  }

  assert {
    condition     = aws_lambda_alias.live.function_version == "7" && aws_lambda_function_url.api.qualifier == "live"
    error_message = "callers do not get the version of this apply"
  }

  assert {
    condition     = aws_lambda_function_url.api.authorization_type == "AWS_IAM"
    error_message = "the api is open to the world"
  }

  assert {
    condition     = alltrue([for config in aws_lambda_function_event_invoke_config.api : one(one(config.destination_config).on_failure).destination == "arn:aws:s3:::results"])
    error_message = "asynchronous calls that fail are lost: a queue takes 256 KiB, and they have up to 1 MB"
  }

  assert {
    condition     = toset(keys(aws_lambda_function_event_invoke_config.api)) == toset(["$LATEST", "live"])
    error_message = "asynchronous calls without or with the alias are lost when they fail"
  }

  assert {
    condition     = one(aws_scheduler_schedule.canary.target).arn == "arn:aws:lambda:eu-west-1:123456789012:function:matinv-canary" && aws_scheduler_schedule.canary.schedule_expression == "rate(5 minutes)"
    error_message = "nobody wakes the canary"
  }

  assert {
    condition     = output.environment.MATINV_JOBS_QUEUE_URL == "https://sqs.eu-west-1.amazonaws.com/123456789012/matinv-jobs" && output.environment.MATINV_LARGE_QUEUE_URL == "https://sqs.eu-west-1.amazonaws.com/123456789012/matinv-large"
    error_message = "the command would send to the wrong queue"
  }

  assert {
    condition     = output.api.alias_arn == aws_lambda_alias.live.arn && output.topics.events == "arn:aws:sns:eu-west-1:123456789012:matinv-events"
    error_message = "outputs name the wrong things"
  }
}

run "everything_chosen" {
  variables {
    name                     = "matinv-test"
    api                      = { snap_start = true, callers = ["arn:aws:iam::210987654321:role/lab"], reserved_concurrency = 5 }
    anomaly_band             = 2
    monthly_budget_usd       = 50
    disposable               = true
    alarm_subscribers        = [{ protocol = "email", endpoint = "team@example.com" }]
    page_subscribers         = [{ protocol = "https", endpoint = "https://pager.example.com/in" }]
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/matinv-boundary"
    runbook_url              = "https://example.com/runbook"
    log_level                = "ERROR"
    results_expire_days      = null
  }

  assert {
    condition     = aws_lambda_permission.url["arn:aws:iam::210987654321:role/lab"].action == "lambda:InvokeFunctionUrl" && aws_lambda_permission.url["arn:aws:iam::210987654321:role/lab"].function_url_auth_type == "AWS_IAM"
    error_message = "a caller lacks the first permission of a function URL"
  }

  assert {
    condition     = aws_lambda_permission.invoke["arn:aws:iam::210987654321:role/lab"].action == "lambda:InvokeFunction" && aws_lambda_permission.invoke["arn:aws:iam::210987654321:role/lab"].qualifier == "live"
    error_message = "a caller lacks the second permission of a function URL"
  }

  assert {
    condition     = !aws_dynamodb_table.jobs.deletion_protection_enabled
    error_message = "a disposable stack cannot be destroyed"
  }
}

# What a new account takes: no function above 3,008 MB, and ten at a time.
run "new_account" {
  variables {
    large               = null
    standard            = { maximum_concurrency = 8 }
    account_concurrency = 10
  }

  assert {
    condition     = length(module.large) == 0 && !contains(keys(output.environment), "MATINV_LARGE_QUEUE_URL") && output.queues.large == null && output.functions.large == null
    error_message = "there is something of a lane that was left out"
  }
}
