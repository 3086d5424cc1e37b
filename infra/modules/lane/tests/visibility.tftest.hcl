mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  queue_name               = "jobs"
  function_name            = "worker"
  description              = "A lane."
  image_uri                = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/matinv@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  memory_mb                = 1769
  timeout_s                = 100
  batch_size               = 100
  batching_window_s        = 20
  maximum_concurrency      = 10
  message_retention_s      = 345600
  max_receive_count        = 5
  dead_letter_queue        = { arn = "arn:aws:sqs:eu-west-1:123456789012:dead", url = "https://sqs.eu-west-1.amazonaws.com/123456789012/dead" }
  environment              = {}
  statements               = []
  service                  = "matinv"
  metrics_namespace        = "matinv"
  log_level                = "INFO"
  log_retention_days       = 30
  permissions_boundary_arn = null
}

run "six_times_the_timeout_and_the_window" {
  command = plan

  assert {
    condition     = aws_sqs_queue.this.visibility_timeout_seconds == 620
    error_message = "not 6 x 100 + 20"
  }
}

run "longer_is_allowed" {
  command = plan

  variables {
    visibility_timeout_s = 700
  }

  assert {
    condition     = aws_sqs_queue.this.visibility_timeout_seconds == 700
    error_message = "a longer timeout was not taken"
  }
}

run "shorter_is_refused" {
  command = plan

  variables {
    visibility_timeout_s = 619
  }

  expect_failures = [aws_sqs_queue.this]
}

run "longer_than_sqs_knows_is_refused" {
  command = plan

  variables {
    visibility_timeout_s = 43201
  }

  expect_failures = [aws_sqs_queue.this]
}
