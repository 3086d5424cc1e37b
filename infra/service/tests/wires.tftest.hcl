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
  target = module.large.aws_sqs_queue.this
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
  target = module.large.module.worker.aws_lambda_function.this
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
  target = module.large.aws_lambda_event_source_mapping.this
  values = { uuid = "22222222-2222-2222-2222-222222222222" }
}

run "defaults" {
}
