# The lane of many processes, as an option of modules/batch_lane: several machines for one job. How the service wires it is in huge.tftest.hcl.

mock_provider "aws" {
  source = "../testing/mocks"
}

variables {
  lane                     = "grid"
  name                     = "matinv-grid"
  image_uri                = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/matinv-grid@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  memory_mb                = 500000
  vcpus                    = 64
  machines                 = 1
  timeout_s                = 41400
  instance_types           = ["r8g.16xlarge"]
  spot                     = false
  network                  = null
  message_retention_s      = 345600
  dead_letter_queue        = { arn = "arn:aws:sqs:eu-west-1:123456789012:matinv-dead", url = "https://sqs.eu-west-1.amazonaws.com/123456789012/matinv-dead" }
  environment              = { MATINV_JOBS_TABLE = "matinv-jobs" }
  statements               = []
  service                  = "matinv"
  metrics_namespace        = "matinv"
  log_level                = "INFO"
  log_retention_days       = 30
  permissions_boundary_arn = null
  kms_key_arn              = null
}

run "ranks_on_one_machine" {
  module { source = "../modules/batch_lane" }
  variables { ranks = 12 }

  assert {
    condition     = output.nodes == null && output.container.command == ["python3", "-m", "matinv.handlers.node"] && output.container.linuxParameters.sharedMemorySize == 16384
    error_message = "Ranks of one machine are a plain job, with memory to speak by."
  }
  assert {
    condition     = output.environment.RANKS == "12" && output.environment.MEMORY_MB == "500000" && output.environment.THREADS == "64"
    error_message = "The lane before it must know it as it is."
  }
}

run "ranks_on_eight_machines" {
  module { source = "../modules/batch_lane" }
  variables {
    ranks = 32
    nodes = 8
  }

  assert {
    condition     = output.nodes.numNodes == 8 && output.nodes.mainNode == 0 && one(output.nodes.nodeRangeProperties).targetNodes == "0:" && one(output.nodes.nodeRangeProperties).container.command == ["python3", "-m", "matinv.handlers.node"]
    error_message = "All machines of a job run the same."
  }
  assert {
    condition     = { for pair in one(output.nodes.nodeRangeProperties).container.environment : pair.name => pair.value }["MATINV_RANKS"] == "32" && output.environment.MEMORY_MB == "4000000" && output.environment.THREADS == "512"
    error_message = "The lane has what all machines have together."
  }
  assert {
    condition     = one(output.machines).max_vcpus == 512 && one(output.machines).placement_group == "matinv-grid" && length(aws_vpc_security_group_ingress_rule.ranks) == 1
    error_message = "The machines of a job stand close to each other, and let each other in."
  }
}

run "several_machines_of_fargate" {
  command = plan
  module { source = "../modules/batch_lane" }
  variables {
    instance_types = []
    ranks          = 8
    nodes          = 2
  }
  expect_failures = [var.nodes]
}

run "ranks_that_machines_cannot_share" {
  command = plan
  module { source = "../modules/batch_lane" }
  variables {
    ranks = 9
    nodes = 2
  }
  expect_failures = [var.nodes]
}
