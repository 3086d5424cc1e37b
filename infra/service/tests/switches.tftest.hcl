# The switches: each is off in the run "defaults" of wires.tftest.hcl, and does here what it promises. tests/infra/test_switches.py
# judges policies and prices by these states.

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
  target = aws_dynamodb_table.jobs
  values = { arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/matinv-jobs" }
}

override_resource {
  target = aws_kms_key.own
  values = { arn = "arn:aws:kms:eu-west-1:123456789012:key/own", key_id = "own" }
}

override_resource {
  target = aws_lambda_alias.live
  values = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:matinv-api:live", invoke_arn = "arn:aws:apigateway:eu-west-1:lambda:path/live" }
}

run "everything_regulated" {
  variables {
    customer_key = true
    network      = { cidr = "10.1.0.0/24" }
    backup = {
      role_arn          = "arn:aws:iam::123456789012:role/matinv-backup-role"
      copy_to_vault_arn = "arn:aws:backup:eu-central-1:210987654321:backup-vault:safe"
    }
    http_api = {
      domain_name     = "inverse.example.com"
      certificate_arn = "arn:aws:acm:eu-west-1:123456789012:certificate/c"
      jwt             = { issuer = "https://login.example.com/", audience = ["matinv"] }
      cors_origins    = ["https://lab.example.com"]
    }
    standard                 = { pollers = { minimum = 3, maximum = 20 } }
    api                      = { provisioned_concurrency = 2 }
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/matinv-boundary"
  }

  assert {
    condition = alltrue([
      for encryption in [module.inputs.encryption, module.results.encryption] : encryption.sse_algorithm == "aws:kms" && encryption.kms_master_key_id == "arn:aws:kms:eu-west-1:123456789012:key/own"
    ])
    error_message = "a bucket is not encrypted with the stack's own key"
  }

  assert {
    condition     = aws_sqs_queue.dead.kms_master_key_id == aws_kms_key.own[0].arn && aws_sqs_queue.dead.kms_data_key_reuse_period_seconds == 3600
    error_message = "the dead letters are not encrypted with the stack's own key"
  }

  assert {
    condition     = one(aws_dynamodb_table.jobs.server_side_encryption).enabled && one(aws_dynamodb_table.jobs.server_side_encryption).kms_key_arn == aws_kms_key.own[0].arn
    error_message = "the table is not encrypted with the stack's own key"
  }

  assert {
    condition     = aws_sns_topic.events.kms_master_key_id == aws_kms_key.own[0].arn && aws_cloudwatch_log_group.http_api["this"].kms_key_id == aws_kms_key.own[0].arn
    error_message = "events or access logs are not encrypted with the stack's own key"
  }

  assert {
    condition     = aws_kms_key.own[0].enable_key_rotation && aws_kms_key.own[0].deletion_window_in_days == 30
    error_message = "the key does not rotate, or is soon gone"
  }

  assert {
    condition     = local.vpc.security_group_ids == toset(module.network[0].functions.security_group_ids) && length(local.vpc.security_group_ids) == 1
    error_message = "the functions are not in the network"
  }

  assert {
    condition     = aws_backup_selection.this[0].resources == toset(["arn:aws:dynamodb:eu-west-1:123456789012:table/matinv-jobs", "arn:aws:s3:::inputs", "arn:aws:s3:::results"])
    error_message = "records or files are not backed up"
  }

  assert {
    condition     = one(one(aws_backup_plan.this[0].rule).lifecycle).delete_after == 35 && one(one(aws_backup_plan.this[0].rule).copy_action).destination_vault_arn == "arn:aws:backup:eu-central-1:210987654321:backup-vault:safe"
    error_message = "backups are not kept for 35 days, or not copied"
  }

  assert {
    condition     = aws_apigatewayv2_integration.this["this"].integration_uri == "arn:aws:apigateway:eu-west-1:lambda:path/live" && aws_apigatewayv2_integration.this["this"].payload_format_version == "2.0"
    error_message = "the HTTP API does not call the alias as the function URL does"
  }

  assert {
    condition     = aws_apigatewayv2_route.all["this"].authorization_type == "JWT" && one(aws_apigatewayv2_authorizer.jwt["this"].jwt_configuration).audience == toset(["matinv"])
    error_message = "the HTTP API lets in whoever has any token"
  }

  assert {
    condition     = aws_apigatewayv2_api.this["this"].disable_execute_api_endpoint && one(aws_apigatewayv2_domain_name.this["this"].domain_name_configuration).security_policy == "TLS_1_2"
    error_message = "there is a way around the domain, or old TLS"
  }

  assert {
    condition     = one(aws_apigatewayv2_api.this["this"].cors_configuration).allow_origins == toset(["https://lab.example.com"]) && one(aws_s3_bucket_cors_configuration.this["inputs"].cors_rule).allowed_methods == toset(["PUT"]) && one(aws_s3_bucket_cors_configuration.this["results"].cors_rule).allowed_methods == toset(["GET"])
    error_message = "a page cannot call, upload or download, or may do more"
  }

  assert {
    condition     = aws_apigatewayv2_route.preflight["this"].route_key == "OPTIONS /{proxy+}" && aws_apigatewayv2_route.preflight["this"].authorization_type == "NONE"
    error_message = "browsers are refused before they may sign"
  }

  assert {
    condition     = aws_lambda_permission.http_api["this"].qualifier == "live" && startswith(aws_lambda_permission.http_api["this"].source_arn, "arn:aws:execute-api:eu-west-1:123456789012:api/")
    error_message = "API Gateway may not call the alias, or any API may"
  }

  assert {
    condition     = module.standard.mapping.pollers == [{ minimum_pollers = 3, maximum_pollers = 20 }] && module.standard.mapping.scaling == [] && module.standard.worker.maximum_concurrency == 200
    error_message = "the pollers are not provisioned, or bounded twice"
  }

  assert {
    condition     = aws_lambda_provisioned_concurrency_config.api[0].qualifier == "live" && aws_lambda_provisioned_concurrency_config.api[0].provisioned_concurrent_executions == 2
    error_message = "the api is not kept ready"
  }

  assert {
    condition     = output.http_api.url == "https://inverse.example.com"
    error_message = "the output names another URL"
  }
}

run "given_network_and_iam" {
  variables {
    network  = { subnet_ids = ["subnet-1", "subnet-2"], security_group_ids = ["sg-1"] }
    http_api = {}
  }

  assert {
    condition     = length(module.network) == 0 && local.vpc == { subnet_ids = toset(["subnet-1", "subnet-2"]), security_group_ids = toset(["sg-1"]) }
    error_message = "given subnets are not what the functions get, or a second network is made"
  }

  assert {
    condition     = aws_apigatewayv2_route.all["this"].authorization_type == "AWS_IAM" && length(aws_apigatewayv2_authorizer.jwt) + length(aws_apigatewayv2_route.preflight) == 0
    error_message = "without a token's issuer the HTTP API is open"
  }

  assert {
    condition     = !aws_apigatewayv2_api.this["this"].disable_execute_api_endpoint && length(aws_apigatewayv2_domain_name.this) == 0 && length(aws_s3_bucket_cors_configuration.this) == 0
    error_message = "an HTTP API without a name cannot be reached, or pages may call it unasked"
  }

  assert {
    condition     = output.http_api == { url = "https://api.execute-api.eu-west-1.amazonaws.com", cname = null }
    error_message = "the output names another URL"
  }
}

run "all_switches_are_off_unless_asked" {
  assert {
    condition     = length(aws_kms_key.own) + length(module.network) + length(aws_backup_vault.this) + length(aws_apigatewayv2_api.this) + length(aws_lambda_provisioned_concurrency_config.api) == 0
    error_message = "a switch that costs money is on by default"
  }

  assert {
    condition     = local.vpc == null && local.key_arn == null && output.http_api == null
    error_message = "a switch that costs money is on by default"
  }

  assert {
    condition     = module.standard.mapping.pollers == [] && module.standard.mapping.scaling == [{ maximum_concurrency = 50 }]
    error_message = "the workers are not bounded"
  }
}
