# Wrong configurations, each refused before anything is made, by the variable that is wrong. The messages say what would
# have happened; tests/infra reads them.

mock_provider "aws" {
  source = "../testing/mocks"
}

variables {
  image_uri = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/matinv@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
}

run "image_by_tag" {
  command = plan

  variables {
    image_uri = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/matinv:latest"
  }

  expect_failures = [var.image_uri]
}

run "image_from_elsewhere" {
  command = plan

  variables {
    image_uri = "example.com/matinv@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  }

  expect_failures = [var.image_uri]
}

run "visibility_shorter_than_the_work" {
  command = plan

  variables {
    standard = { timeout_s = 120, visibility_timeout_s = 300 }
  }

  expect_failures = [var.standard]
}

run "visibility_shorter_than_the_work_large" {
  command = plan

  variables {
    large = { visibility_timeout_s = 900 }
  }

  expect_failures = [var.large]
}

run "concurrency_of_one" {
  command = plan

  variables {
    standard = { maximum_concurrency = 1 }
  }

  expect_failures = [var.standard]
}

run "batch_of_eleven_without_window" {
  command = plan

  variables {
    standard = { batch_size = 11, batching_window_s = 0 }
  }

  expect_failures = [var.standard]
}

run "batch_above_ten_thousand" {
  command = plan

  variables {
    standard = { batch_size = 10001 }
  }

  expect_failures = [var.standard]
}

run "timeout_above_lambdas" {
  command = plan

  variables {
    large = { timeout_s = 901 }
  }

  expect_failures = [var.large]
}

run "too_little_memory" {
  command = plan

  variables {
    standard = { memory_mb = 256 }
  }

  expect_failures = [var.standard]
}

run "large_lane_smaller_than_standard" {
  command = plan

  variables {
    large = { memory_mb = 1024 }
  }

  expect_failures = [var.large]
}

run "results_go_while_records_stay" {
  command = plan

  variables {
    record_retention_days = 30
    results_expire_days   = 30
  }

  expect_failures = [var.results_expire_days]
}

run "inputs_go_while_jobs_wait" {
  command = plan

  variables {
    inputs_expire_days = 7
  }

  expect_failures = [var.inputs_expire_days]
}

run "results_into_inputs" {
  command = plan

  variables {
    inputs_bucket_name  = "one-bucket"
    results_bucket_name = "one-bucket"
  }

  expect_failures = [var.results_bucket_name]
}

run "fair_by_what_nobody_knows" {
  command = plan

  variables {
    fair_by = "team"
  }

  expect_failures = [var.fair_by]
}

run "no_retention_of_records" {
  command = plan

  variables {
    record_retention_days = 0
  }

  expect_failures = [var.record_retention_days]
}

run "logs_for_ever" {
  command = plan

  variables {
    log_retention_days = 0
  }

  expect_failures = [var.log_retention_days]
}

run "dead_after_one_receive" {
  command = plan

  variables {
    max_receive_count = 1
  }

  expect_failures = [var.max_receive_count]
}

run "inline_results_beyond_an_item" {
  command = plan

  variables {
    inline_result_bytes = 400000
  }

  expect_failures = [var.inline_result_bytes]
}

run "canary_slower_than_its_alarm" {
  command = plan

  variables {
    canary_rate = "rate(1 hour)"
  }

  expect_failures = [var.canary_rate]
}

run "lanes_above_the_account" {
  command = plan

  variables {
    account_concurrency = 10
  }

  expect_failures = [var.account_concurrency]
}

run "api_open_to_the_world" {
  command = plan

  variables {
    api = { callers = ["*"] }
  }

  expect_failures = [var.api]
}

run "api_switched_off" {
  command = plan

  variables {
    api = { reserved_concurrency = 0 }
  }

  expect_failures = [var.api]
}

run "alarms_over_plain_http" {
  command = plan

  variables {
    alarm_subscribers = [{ protocol = "http", endpoint = "http://example.com" }]
  }

  expect_failures = [var.alarm_subscribers]
}

run "pages_by_pigeon" {
  command = plan

  variables {
    page_subscribers = [{ protocol = "pigeon", endpoint = "loft" }]
  }

  expect_failures = [var.page_subscribers]
}

run "anomaly_band_that_always_rings" {
  command = plan

  variables {
    anomaly_band = 0.1
  }

  expect_failures = [var.anomaly_band]
}

run "budget_of_nothing" {
  command = plan

  variables {
    monthly_budget_usd = 0
  }

  expect_failures = [var.monthly_budget_usd]
}

run "name_that_makes_no_bucket" {
  command = plan

  variables {
    name = "Matinv_Production"
  }

  expect_failures = [var.name]
}

run "pollers_that_lambda_refuses" {
  command = plan

  variables {
    standard = { pollers = { minimum = 1, maximum = 5 } }
  }

  expect_failures = [var.standard]
}

run "more_large_pollers_ready_than_allowed" {
  command = plan

  variables {
    large = { pollers = { minimum = 5, maximum = 4 } }
  }

  expect_failures = [var.large]
}

run "more_kept_ready_than_reserved" {
  command = plan

  variables {
    api = { provisioned_concurrency = 5, reserved_concurrency = 4 }
  }

  expect_failures = [var.api]
}

run "network_of_both_kinds" {
  command = plan

  variables {
    network = { cidr = "10.0.0.0/24", subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }
  }

  expect_failures = [var.network]
}

run "network_without_security_group" {
  command = plan

  variables {
    network = { subnet_ids = ["subnet-1"] }
  }

  expect_failures = [var.network]
}

run "network_too_small" {
  command = plan

  variables {
    network = { cidr = "10.0.0.0/28" }
  }

  expect_failures = [var.network]
}

run "backup_for_ever" {
  command = plan

  variables {
    backup = { role_arn = "arn:aws:iam::123456789012:role/b", keep_days = 0 }
  }

  expect_failures = [var.backup]
}

run "backup_by_nobody" {
  command = plan

  variables {
    backup = { role_arn = "" }
  }

  expect_failures = [var.backup]
}

run "domain_without_certificate" {
  command = plan

  variables {
    http_api = { domain_name = "inverse.example.com" }
  }

  expect_failures = [var.http_api]
}

run "cors_for_any_page" {
  command = plan

  variables {
    http_api = { cors_origins = ["*"] }
  }

  expect_failures = [var.http_api]
}

run "token_for_anybody" {
  command = plan

  variables {
    http_api = { jwt = { issuer = "https://login.example.com/", audience = [] } }
  }

  expect_failures = [var.http_api]
}

run "more_pollers_than_the_account_has_workers" {
  command = plan

  variables {
    standard = { pollers = { minimum = 2, maximum = 200 } }
  }

  expect_failures = [var.account_concurrency]
}

run "huge_machine_that_fargate_has_not" {
  command = plan

  variables {
    huge = { vcpus = 32 }
  }

  expect_failures = [var.huge]
}

run "huge_memory_that_fargate_has_not" {
  command = plan

  variables {
    huge = { memory_mb = 100000 }
  }

  expect_failures = [var.huge]
}

run "huge_lane_smaller_than_large" {
  command = plan

  variables {
    huge = { instance_types = ["r8g"], memory_mb = 8192 }
  }

  expect_failures = [var.huge]
}

run "huge_job_longer_than_a_message_is_hidden" {
  command = plan

  variables {
    huge = { timeout_s = 50000 }
  }

  expect_failures = [var.huge]
}

run "huge_lane_without_machines" {
  command = plan

  variables {
    huge = { machines = 0 }
  }

  expect_failures = [var.huge]
}

run "huge_machines_for_another_image" {
  command = plan

  variables {
    huge = { instance_types = ["m7i.4xlarge"] }
  }

  expect_failures = [var.huge]
}

run "huge_lane_on_the_internet_beside_a_closed_network" {
  command = plan

  variables {
    huge    = {}
    network = { cidr = "10.1.0.0/24" }
  }

  expect_failures = [var.huge]
}

run "huge_backlog_that_always_rings" {
  command = plan

  variables {
    huge = { backlog_objective_s = 30 }
  }

  expect_failures = [var.huge]
}

run "grid_without_the_lane_before_it" {
  command = plan

  variables {
    grid = { image_uri = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/matinv@sha256:fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210" }
  }

  expect_failures = [var.grid]
}

run "grid_of_the_image_without_mpi" {
  command = plan

  variables {
    huge = {}
    grid = { image_uri = var.image_uri }
  }

  expect_failures = [var.grid]
}

run "grid_no_larger_than_huge" {
  command = plan

  variables {
    huge = {}
    grid = { image_uri = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/matinv@sha256:fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210", memory_mb = 65536, vcpus = 16 }
  }

  expect_failures = [var.grid]
}

run "grid_ranks_that_machines_cannot_share" {
  command = plan

  variables {
    huge = {}
    grid = { image_uri = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/matinv@sha256:fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210", ranks = 9, nodes = 2, network = { subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] } }
  }

  expect_failures = [var.grid]
}

run "grid_machines_that_cannot_reach_the_queue" {
  command = plan

  variables {
    huge = {}
    grid = { image_uri = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/matinv@sha256:fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210", nodes = 2 }
  }

  expect_failures = [var.grid]
}

run "grid_on_fargate" {
  command = plan

  variables {
    huge = {}
    grid = { image_uri = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/matinv@sha256:fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210", instance_types = [] }
  }

  expect_failures = [var.grid]
}

run "grid_job_longer_than_a_message_is_hidden" {
  command = plan

  variables {
    huge = {}
    grid = { image_uri = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/matinv@sha256:fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210", timeout_s = 50000 }
  }

  expect_failures = [var.grid]
}

run "credentials_of_another_account" {
  command = plan

  variables {
    account_id = "210987654321"
  }

  expect_failures = [data.aws_caller_identity.current]
}
