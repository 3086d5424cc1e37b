# One Lambda function from the one image: its role, its log group, and nothing that it may do but what it is given.

terraform {
  required_version = ">= 1.9, < 2"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }
}

data "aws_caller_identity" "current" {}
data "aws_region" "current" {}
data "aws_partition" "current" {}

locals {
  # Its own ARN, which its role's policy cannot take from the function: that one waits for the policy.
  arn = "arn:${data.aws_partition.current.partition}:lambda:${data.aws_region.current.id}:${data.aws_caller_identity.current.account_id}:function:${var.name}"

  # Lambda gives one vCPU per 1,769 MB. It shows two below that, and BLAS with two threads on one vCPU
  # ran up to 2.2 times slower.
  threads = max(1, floor(var.memory_mb / 1769))

  statements = concat(var.statements, local.join_network, [
    {
      Sid      = "Log"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = ["${aws_cloudwatch_log_group.this.arn}:*"]
    },
    {
      # X-Ray knows no resources to name.
      Sid      = "Trace"
      Effect   = "Allow"
      Action   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
      Resource = ["*"]
    },
  ])
}

locals {
  # Lambda makes the function's network interfaces with the function's role; the function itself is denied the same. None of them
  # knows a resource to name beforehand (Lambda guide, "Required IAM permissions" of functions in a VPC).
  interfaces = [
    "ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses",
  ]
  join_network = [for statement in [
    {
      Sid      = "JoinNetwork"
      Effect   = "Allow"
      Action   = local.interfaces
      Resource = ["*"]
    },
    {
      Sid       = "LambdaAlone"
      Effect    = "Deny"
      Action    = local.interfaces
      Resource  = ["*"]
      Condition = { ArnEquals = { "lambda:SourceFunctionArn" = [local.arn] } }
    },
  ] : statement if var.vpc != null]
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158:Encrypted by CloudWatch unless the stack has a key of its own (customer_key); logs hold job ids and numbers about matrices, never matrix values.
  #checkov:skip=CKV_AWS_338:How long is the user's choice, log_retention_days: what became of a job stays in its record.

  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_iam_role" "this" {
  name                 = var.name
  description          = "What the function ${var.name} may do."
  permissions_boundary = var.permissions_boundary_arn

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  name   = "work"
  role   = aws_iam_role.this.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_115:Lanes are bounded by their mapping's maximum_concurrency, which does not throttle; the api takes a reserved_concurrency.
  #checkov:skip=CKV_AWS_116:Invoked by a mapping, whose queue has dead letters, or with an on-failure destination, which replaces this.
  #checkov:skip=CKV_AWS_117:Calls AWS' own endpoints only; a VPC is the user's choice (network), as its endpoints cost $7 a month each.
  #checkov:skip=CKV_AWS_173:The environment holds names of resources, no secrets.
  #checkov:skip=CKV_AWS_272:Code signing does not exist for images; the digest and the immutable registry stand in for it.

  function_name = var.name
  description   = var.description
  role          = aws_iam_role.this.arn

  package_type  = "Image"
  image_uri     = var.image_uri
  architectures = ["arm64"]
  publish       = var.publish

  memory_size                    = var.memory_mb
  timeout                        = var.timeout_s
  reserved_concurrent_executions = var.reserved_concurrency

  image_config {
    command = [var.handler]
  }

  environment {
    variables = merge(var.environment, {
      POWERTOOLS_SERVICE_NAME      = var.service
      POWERTOOLS_METRICS_NAMESPACE = var.metrics_namespace
      POWERTOOLS_LOG_LEVEL         = var.log_level
      OPENBLAS_NUM_THREADS         = tostring(local.threads)
      OMP_NUM_THREADS              = tostring(local.threads)
    })
  }

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.this.name
    # Never above INFO: Lambda takes a line without a level for INFO, and metrics (EMF) are such lines. Powertools' own level
    # filters what the functions log.
    application_log_level = var.log_level == "DEBUG" ? "DEBUG" : "INFO"
    # INFO: below it Lambda drops its own report line, which alone tells of memory when a worker was killed.
    system_log_level = "INFO"
  }

  tracing_config {
    mode = "Active"
  }

  dynamic "vpc_config" {
    for_each = var.vpc[*]

    content {
      subnet_ids         = vpc_config.value.subnet_ids
      security_group_ids = vpc_config.value.security_group_ids
    }
  }

  dynamic "snap_start" {
    for_each = var.snap_start ? ["PublishedVersions"] : []

    content {
      apply_on = snap_start.value
    }
  }

  # Without its policy the first invocations would fail, and leave their log in a group without retention.
  depends_on = [aws_iam_role_policy.this, aws_cloudwatch_log_group.this]
}
