# The lanes on AWS Batch, on each kind of machine. tests/infra/test_batch_lane.py judges permissions, alarms and prices by these states.

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

override_resource {
  target = module.huge[0].aws_sqs_queue.this
  values = {
    arn = "arn:aws:sqs:eu-west-1:123456789012:matinv-huge"
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/matinv-huge"
  }
}

override_resource {
  target = module.huge[0].aws_batch_job_queue.this
  values = { arn = "arn:aws:batch:eu-west-1:123456789012:job-queue/matinv-huge" }
}

override_resource {
  target = module.grid[0].aws_sqs_queue.this
  values = {
    arn = "arn:aws:sqs:eu-west-1:123456789012:matinv-grid"
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/matinv-grid"
  }
}

override_resource {
  target = module.grid[0].aws_batch_job_queue.this
  values = { arn = "arn:aws:batch:eu-west-1:123456789012:job-queue/matinv-grid" }
}

run "fargate" {
  variables {
    huge                     = {}
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/matinv-boundary"
  }

  assert {
    condition     = one(module.huge[0].machines).type == "FARGATE" && one(module.huge[0].machines).max_vcpus == 64 && one(module.huge[0].machines).instance_role == null
    error_message = "not four of Fargate's machines"
  }

  assert {
    condition     = module.huge[0].container.runtimePlatform.cpuArchitecture == "ARM64" && module.huge[0].container.networkConfiguration.assignPublicIp == "ENABLED"
    error_message = "the image would not run, or not be pulled"
  }

  assert {
    condition     = [for r in module.huge[0].container.resourceRequirements : r.value] == ["16", "122880"] && module.huge[0].container.command == ["python3", "-m", "matinv.handlers.poller"]
    error_message = "not the poller on Fargate's largest machine"
  }

  assert {
    condition     = aws_sqs_queue_redrive_allow_policy.dead.redrive_allow_policy == jsonencode({ redrivePermission = "byQueue", sourceQueueArns = ["arn:aws:sqs:eu-west-1:123456789012:matinv-jobs", "arn:aws:sqs:eu-west-1:123456789012:matinv-large", "arn:aws:sqs:eu-west-1:123456789012:matinv-huge"] })
    error_message = "what is received too often has nowhere to go"
  }
}

run "machines_of_ec2" {
  variables {
    huge = {
      instance_types = ["r8g.16xlarge", "r8g"]
      vcpus          = 64
      memory_mb      = 500000
      machines       = 1
      spot           = true
      network        = { subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }
    }
    network = { cidr = "10.1.0.0/24" }
    large   = null
  }

  assert {
    condition     = one(module.huge[0].machines).type == "SPOT" && one(module.huge[0].machines).min_vcpus == 0 && one(module.huge[0].machines).subnets == toset(["subnet-1"]) && one(module.huge[0].machines).instance_type == toset(["r8g.16xlarge", "r8g"])
    error_message = "not the machines that were asked for, or some that wait"
  }

  assert {
    condition     = !contains(keys(module.huge[0].container), "runtimePlatform") && !contains(keys(module.huge[0].container), "networkConfiguration")
    error_message = "Batch refuses Fargate's settings on EC2"
  }

  assert {
    condition     = module.network[0].services == toset(["sqs", "sns", "batch"])
    error_message = "functions without a way to Batch ask for no machine"
  }
}

run "many_processes" {
  variables {
    huge                     = {}
    grid                     = { image_uri = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/matinv@sha256:fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210" }
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/matinv-boundary"
  }

  assert {
    condition     = one(module.grid[0].machines).type == "EC2" && one(module.grid[0].machines).instance_type == toset(["r8g.48xlarge"]) && one(module.grid[0].machines).min_vcpus == 0 && one(module.grid[0].machines).max_vcpus == 192
    error_message = "not the one machine that was asked for, or one that waits"
  }

  assert {
    condition     = module.grid[0].container.image == var.grid.image_uri && module.huge[0].container.image == var.image_uri && module.grid[0].container.command == ["python3", "-m", "matinv.handlers.node"]
    error_message = "MPI and ScaLAPACK are in one image alone, and whoever polls there starts ranks"
  }

  assert {
    condition     = aws_sqs_queue_redrive_allow_policy.dead.redrive_allow_policy == jsonencode({ redrivePermission = "byQueue", sourceQueueArns = [for name in ["jobs", "large", "huge", "grid"] : "arn:aws:sqs:eu-west-1:123456789012:matinv-${name}"] })
    error_message = "what is received too often has nowhere to go"
  }

  assert {
    condition     = output.grid.queue.name == "matinv-grid" && output.grid.job_queue.name == "matinv-grid" && output.grid.log_group == "/aws/batch/matinv-grid"
    error_message = "nobody finds the lane"
  }
}

run "off_unless_asked" {
  assert {
    condition     = length(module.grid) == 0 && output.grid == null && length(local.grid_environment) + length(local.allow_forward_to_grid) == 0
    error_message = "a lane that costs money is on by default, or something is left of it"
  }

  assert {
    condition     = length(module.huge) == 0 && output.huge == null && length(local.batch_environment) + length(local.allow_forward_to_batch) + length(local.allow_replace_tickets) == 0
    error_message = "a lane that costs money is on by default, or something is left of it"
  }
}
