# IAM statements by what they allow; functions and policies below are made of them.

locals {
  allow = {
    # ListBucket turns the answer for a missing object from 403 into 404: INPUT_GONE instead of ACCESS_DENIED. Whether it does
    # so for a version that is gone is not documented: ListBucketVersions makes sure.
    list_objects = {
      Sid      = "FindObjects"
      Effect   = "Allow"
      Action   = ["s3:ListBucket", "s3:ListBucketVersions"]
      Resource = [module.inputs.arn, module.results.arn]
    }
    read_inputs = {
      Sid      = "ReadInputs"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:GetObjectVersion"]
      Resource = ["${module.inputs.arn}/*"]
    }
    write_inputs = {
      Sid      = "DropFiles"
      Effect   = "Allow"
      Action   = ["s3:PutObject", "s3:AbortMultipartUpload"]
      Resource = ["${module.inputs.arn}/*"]
    }
    # For presigned URLs, which may do what their signer may: one PUT of one key, or of one part of it.
    sign_uploads = {
      Sid      = "SignUploads"
      Effect   = "Allow"
      Action   = ["s3:PutObject", "s3:AbortMultipartUpload"]
      Resource = ["${module.inputs.arn}/*"]
    }
    read_results = {
      Sid      = "ReadResults"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:GetObjectVersion"]
      Resource = ["${module.results.arn}/*"]
    }
    # Results are written once (If-None-Match) and never deleted by a function.
    write_results = {
      Sid      = "WriteResults"
      Effect   = "Allow"
      Action   = ["s3:PutObject", "s3:AbortMultipartUpload"]
      Resource = ["${module.results.arn}/*"]
    }
    read_records = {
      Sid      = "ReadRecords"
      Effect   = "Allow"
      Action   = ["dynamodb:GetItem", "dynamodb:BatchGetItem"]
      Resource = [aws_dynamodb_table.jobs.arn]
    }
    # Many records are written by a batch of statements, one by PutItem, which also decides where a statement may not.
    write_records = {
      Sid      = "WriteRecords"
      Effect   = "Allow"
      Action   = ["dynamodb:PutItem", "dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate"]
      Resource = [aws_dynamodb_table.jobs.arn]
    }
    list_records = {
      Sid      = "ListRecords"
      Effect   = "Allow"
      Action   = ["dynamodb:Query"]
      Resource = [for name in ["by-status", "by-run"] : "${aws_dynamodb_table.jobs.arn}/index/${name}"]
    }
    dead_letter = {
      Sid      = "DeadLetter"
      Effect   = "Allow"
      Action   = ["sqs:SendMessage"]
      Resource = [aws_sqs_queue.dead.arn]
    }
    exhume = {
      Sid    = "LookIntoDeadLetters"
      Effect = "Allow"
      Action = [
        "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes",
        "sqs:StartMessageMoveTask", "sqs:CancelMessageMoveTask", "sqs:ListMessageMoveTasks",
      ]
      Resource = [aws_sqs_queue.dead.arn]
    }
    # What sending the dead letters of one job back to work takes.
    take_letters = {
      Sid      = "TakeDeadLetters"
      Effect   = "Allow"
      Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"]
      Resource = [aws_sqs_queue.dead.arn]
    }
    # `matinv doctor` and the canary remove the job that they tried the stack with.
    clean_up = {
      Sid      = "CleanUp"
      Effect   = "Allow"
      Action   = ["s3:DeleteObject", "s3:DeleteObjectVersion", "dynamodb:DeleteItem"]
      Resource = ["${module.inputs.arn}/*", "${module.results.arn}/*", aws_dynamodb_table.jobs.arn]
    }
    announce = {
      Sid      = "Announce"
      Effect   = "Allow"
      Action   = ["sns:Publish"]
      Resource = [aws_sns_topic.events.arn]
    }
  }

  # Apart from the map above, of which lanes and api are built: these name what was built.
  allow_forward = [
    for lane in local.large[*] : {
      Sid      = "Forward"
      Effect   = "Allow"
      Action   = ["sqs:SendMessage"]
      Resource = [lane.queue.arn]
    }
  ]
  # `matinv top`: the alarms and metrics of one stack cannot be told apart here, and neither tells more than numbers.
  allow_watch = {
    Sid      = "WatchHealth"
    Effect   = "Allow"
    Action   = ["cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData"]
    Resource = ["*"]
  }
  allow_watch_lanes = {
    Sid      = "WatchLanes"
    Effect   = "Allow"
    Action   = ["sqs:GetQueueAttributes"]
    Resource = concat([for lane in values(local.lanes) : lane.queue.arn], values(local.batch_lanes)[*].queue.arn)
  }
  # Machines of AWS Batch: to see why none starts, and to end one. DescribeJobs and the lists know no resource.
  allow_look_at_machines = [
    for lane in local.huge[*] : {
      Sid      = "LookAtMachines"
      Effect   = "Allow"
      Action   = ["batch:ListJobs", "batch:DescribeJobs", "batch:DescribeJobQueues", "batch:DescribeComputeEnvironments"]
      Resource = ["*"]
    }
  ]
  # What the runbook's commands call.
  allow_read_logs = {
    Sid      = "ReadLogs"
    Effect   = "Allow"
    Action   = ["logs:FilterLogEvents", "logs:GetLogEvents", "logs:DescribeLogStreams", "logs:StartLiveTail"]
    Resource = ["arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:/aws/lambda/${var.name}-*", "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:/aws/batch/${var.name}-*"]
  }
  allow_look_at_functions = {
    Sid      = "LookAtFunctions"
    Effect   = "Allow"
    Action   = ["lambda:GetFunction", "lambda:GetFunctionConfiguration", "lambda:ListVersionsByFunction"]
    Resource = concat([for lane in values(local.lanes) : lane.worker.arn], [module.api.arn, module.canary.arn])
  }
  # What matinv doctor reads of the switches, beside functions and queues.
  allow_look_at_storage = {
    Sid      = "LookAtStorage"
    Effect   = "Allow"
    Action   = ["dynamodb:DescribeTable", "dynamodb:DescribeContinuousBackups", "s3:GetEncryptionConfiguration"]
    Resource = [aws_dynamodb_table.jobs.arn, module.inputs.arn, module.results.arn]
  }
  allow_look_at_ready = {
    Sid      = "LookAtReady"
    Effect   = "Allow"
    Action   = ["lambda:GetProvisionedConcurrencyConfig"]
    Resource = ["${module.api.arn}:*"]
  }
  # They know no resource, or only a mapping's id, which no name foretells.
  allow_look_at_account = {
    Sid      = "LookAtAccount"
    Effect   = "Allow"
    Action   = ["lambda:GetAccountSettings", "lambda:GetEventSourceMapping", "lambda:ListEventSourceMappings", "cloudwatch:ListDashboards", "cloudwatch:GetDashboard"]
    Resource = ["*"]
  }
  allow_stop_lanes = {
    Sid      = "StopLanes"
    Effect   = "Allow"
    Action   = ["lambda:UpdateEventSourceMapping"]
    Resource = ["*"]
    Condition = {
      ArnEquals = { "lambda:FunctionArn" = [for lane in values(local.lanes) : lane.worker.arn] }
    }
  }
  allow_submit = {
    Sid      = "Submit"
    Effect   = "Allow"
    Action   = ["sqs:SendMessage", "sqs:GetQueueAttributes"]
    Resource = [module.standard.queue.arn]
  }
  # Since October 2025 a function URL asks for this and for InvokeFunction.
  allow_call_url = {
    Sid       = "CallUrl"
    Effect    = "Allow"
    Action    = ["lambda:InvokeFunctionUrl"]
    Resource  = [module.api.arn, "${module.api.arn}:*"]
    Condition = { StringEquals = { "lambda:FunctionUrlAuthType" = "AWS_IAM" } }
  }
  allow_call = {
    Sid      = "Call"
    Effect   = "Allow"
    Action   = ["lambda:InvokeFunction"]
    Resource = ["${module.api.arn}:${aws_lambda_alias.live.name}"]
  }

  allow_hear = {
    Sid      = "Hear"
    Effect   = "Allow"
    Action   = ["sns:Subscribe"]
    Resource = [aws_sns_topic.events.arn]
  }

  worker_statements = [
    local.allow.list_objects,
    local.allow.read_inputs,
    local.allow.read_results,
    local.allow.write_results,
    local.allow.read_records,
    local.allow.write_records,
    local.allow.dead_letter,
    local.allow.announce,
  ]

  # The canary submits jobs like anybody, but all that it may write or remove has its own name.
  canary_statements = [
    local.allow.list_objects,
    {
      Sid    = "OwnObjects"
      Effect = "Allow"
      Action = [
        "s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject",
        "s3:DeleteObjectVersion",
      ]
      Resource = ["${module.inputs.arn}/matinv-canary-*", "${module.results.arn}/matinv-canary-*"]
    },
    {
      Sid       = "OwnRecords"
      Effect    = "Allow"
      Action    = ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate", "dynamodb:DeleteItem"]
      Resource  = [aws_dynamodb_table.jobs.arn]
      Condition = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["matinv-canary-*"] } }
    },
  ]
}

# For people and programs that submit jobs and read results.
resource "aws_iam_policy" "client" {
  name        = "${var.name}-client"
  description = "Submit jobs to the stack ${var.name}, watch them, fetch results, call the api (which also redrives)."
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.allow_key, [
      local.allow.list_objects,
      local.allow.read_inputs,
      local.allow.write_inputs,
      local.allow.read_results,
      local.allow.read_records,
      local.allow.write_records,
      local.allow.list_records,
      local.allow_submit,
      local.allow_call_url,
      local.allow_call,
      local.allow_hear,
    ])
  })
}

# For those who answer alarms: on top of `client`.
resource "aws_iam_policy" "operator" {
  name        = "${var.name}-operator"
  description = "Look into the dead letters of the stack ${var.name}, send jobs again, run matinv doctor and matinv top."
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.allow_forward, local.allow_look_at_machines, local.allow_key, [
      local.allow.exhume,
      local.allow.clean_up,
      local.allow_watch,
      local.allow_watch_lanes,
      local.allow_read_logs,
      local.allow_look_at_functions,
      local.allow_look_at_storage,
      local.allow_look_at_ready,
      local.allow_look_at_account,
      local.allow_stop_lanes,
    ])
  })
}
