# A lane beyond Lambda: a queue, and machines of AWS Batch that empty it with the worker's own image. The messages stay in SQS until
# their jobs have ended; a Batch job is a ticket for a machine, which polls, lingers and ends. Nothing runs, and nothing is paid
# for, while there is no work.

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
  account_id = data.aws_caller_identity.current.account_id
  region     = data.aws_region.current.id
  partition  = data.aws_partition.current.partition

  fargate = length(var.instance_types) == 0

  # One job over several machines: EC2 alone, and never Spot.
  many = var.nodes > 1

  # The image's repository, which the machine pulls from: <account>.dkr.ecr.<region>.<domain>/<repository>@sha256:...
  image          = regex("^([0-9]{12})\\.dkr\\.ecr\\.([a-z0-9-]+)\\.[a-z.]+/([^@:]+)", var.image_uri)
  repository_arn = "arn:${local.partition}:ecr:${local.image[1]}:${local.image[0]}:repository/${local.image[2]}"

  subnet_ids         = var.network == null ? aws_subnet.this[*].id : tolist(var.network.subnet_ids)
  security_group_ids = var.network == null ? aws_security_group.this[*].id : tolist(var.network.security_group_ids)

  environment = merge(var.environment, {
    MATINV_LANES                 = var.lane
    MATINV_JOBS_QUEUE_URL        = aws_sqs_queue.this.url
    MATINV_MEMORY_MB             = tostring(var.nodes * var.memory_mb)
    MATINV_THREADS               = tostring(var.nodes * var.vcpus)
    MATINV_TIMEOUT_S             = tostring(var.timeout_s)
    POWERTOOLS_SERVICE_NAME      = var.service
    POWERTOOLS_METRICS_NAMESPACE = var.metrics_namespace
    POWERTOOLS_LOG_LEVEL         = var.log_level
    AWS_REGION                   = local.region
    }, var.ranks == 0 ? {} : {
    MATINV_RANKS = tostring(var.ranks)
  })

  container = merge(
    {
      image            = var.image_uri
      command          = ["python3", "-m", var.ranks == 0 ? "matinv.handlers.poller" : "matinv.handlers.node"]
      jobRoleArn       = aws_iam_role.this["work"].arn
      executionRoleArn = aws_iam_role.this["start"].arn
      resourceRequirements = [
        { type = "VCPU", value = tostring(var.vcpus) },
        { type = "MEMORY", value = tostring(var.memory_mb) },
      ]
      environment = [for name in sort(keys(local.environment)) : { name = name, value = local.environment[name] }]
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.this.name
          awslogs-region        = local.region
          awslogs-stream-prefix = "poller"
        }
      }
    },
    local.fargate ? {
      runtimePlatform              = { cpuArchitecture = "ARM64", operatingSystemFamily = "LINUX" }
      fargatePlatformConfiguration = { platformVersion = "LATEST" }
      networkConfiguration         = { assignPublicIp = var.network == null ? "ENABLED" : "DISABLED" }
    } : {},
    # Ranks of one machine speak by way of its memory, of which a container is given 64 MiB.
    var.ranks == 0 || local.fargate ? {} : { linuxParameters = { sharedMemorySize = 16384 } },
  )

  own_statements = concat(var.statements, [{
    Sid      = "EmptyTheQueue"
    Effect   = "Allow"
    Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"]
    Resource = [aws_sqs_queue.this.arn]
  }])

  # What starts the container: it pulls the image and sends the log. The container itself may do neither.
  start_statements = [
    {
      Sid      = "Pull"
      Effect   = "Allow"
      Action   = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"]
      Resource = [local.repository_arn]
    },
    {
      # It knows no resource.
      Sid      = "SignIn"
      Effect   = "Allow"
      Action   = ["ecr:GetAuthorizationToken"]
      Resource = ["*"]
    },
    {
      Sid      = "Log"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = ["${aws_cloudwatch_log_group.this.arn}:*"]
    },
  ]
}

resource "aws_sqs_queue" "this" {
  name = var.name
  # The poller sets it anew while it works, for up to the 12 hours that SQS allows.
  visibility_timeout_seconds = 900
  message_retention_seconds  = var.message_retention_s
  receive_wait_time_seconds  = 20
  max_message_size           = 262144

  sqs_managed_sse_enabled           = var.kms_key_arn == null ? true : null
  kms_master_key_id                 = var.kms_key_arn
  kms_data_key_reuse_period_seconds = var.kms_key_arn == null ? null : 3600

  redrive_policy = jsonencode({
    deadLetterTargetArn = var.dead_letter_queue.arn
    maxReceiveCount     = 3 # a receive can cost five dollars; the second one is tried in a child process
  })
}

resource "aws_sqs_queue_policy" "this" {
  queue_url = aws_sqs_queue.this.url
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = aws_sqs_queue.this.arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158:Encrypted by CloudWatch unless the stack has a key of its own (customer_key); logs hold job ids and numbers about matrices, never matrix values.
  #checkov:skip=CKV_AWS_338:How long is the user's choice, log_retention_days: what became of a job stays in its record.

  name              = "/aws/batch/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_iam_role" "this" {
  for_each = { work = "What the poller of ${var.name} may do.", start = "What starts the poller of ${var.name} may do." }

  name                 = "${var.name}-${each.key}"
  description          = each.value
  permissions_boundary = var.permissions_boundary_arn

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = local.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  for_each = { work = local.own_statements, start = local.start_statements }

  name   = each.key
  role   = aws_iam_role.this[each.key].id
  policy = jsonencode({ Version = "2012-10-17", Statement = each.value })
}

# Machines of EC2 join ECS by a role of their own, which containers cannot take: their credentials come from ECS alone.
resource "aws_iam_role" "machine" {
  count = local.fargate ? 0 : 1

  name                 = "${var.name}-machine"
  description          = "What a machine of ${var.name} may do: join ECS."
  permissions_boundary = var.permissions_boundary_arn

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "machine" {
  count = local.fargate ? 0 : 1

  name = "join"
  role = aws_iam_role.machine[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # The agent's own calls (AmazonEC2ContainerServiceforEC2Role, without what Batch does itself). Batch names its cluster.
        Sid    = "JoinCluster"
        Effect = "Allow"
        Action = [
          "ecs:DiscoverPollEndpoint", "ecs:Poll", "ecs:RegisterContainerInstance", "ecs:DeregisterContainerInstance",
          "ecs:StartTelemetrySession", "ecs:SubmitContainerStateChange", "ecs:SubmitTaskStateChange", "ecs:UpdateContainerInstancesState",
        ]
        Resource = ["*"]
      },
      local.start_statements[0],
      local.start_statements[1],
      local.start_statements[2],
    ]
  })
}

resource "aws_iam_instance_profile" "machine" {
  count = local.fargate ? 0 : 1

  name = "${var.name}-machine"
  role = aws_iam_role.machine[0].name
}

# Machines that share a matrix stand close to each other.
resource "aws_placement_group" "this" {
  count = local.many ? 1 : 0

  name     = var.name
  strategy = "cluster"
}

# Without a name: provider 5 calls it compute_environment_name and provider 6 name; the one that AWS gives lets a changed one be made
# before the old one goes.
resource "aws_batch_compute_environment" "this" {
  type  = "MANAGED"
  state = "ENABLED"

  compute_resources {
    type               = local.fargate ? (var.spot ? "FARGATE_SPOT" : "FARGATE") : (var.spot ? "SPOT" : "EC2")
    max_vcpus          = var.machines * var.nodes * var.vcpus
    subnets            = local.subnet_ids
    security_group_ids = local.security_group_ids

    # No machine waits: the first of a day takes a minute on Fargate, two or three on EC2.
    min_vcpus           = local.fargate ? null : 0
    instance_type       = local.fargate ? null : var.instance_types
    instance_role       = one(aws_iam_instance_profile.machine[*].arn)
    allocation_strategy = local.fargate ? null : (var.spot ? "SPOT_PRICE_CAPACITY_OPTIMIZED" : "BEST_FIT_PROGRESSIVE")

    placement_group = one(aws_placement_group.this[*].name)

    dynamic "ec2_configuration" {
      for_each = local.fargate ? [] : ["ECS_AL2023"]

      content {
        image_type = ec2_configuration.value
      }
    }
  }

  lifecycle {
    create_before_destroy = true
    ignore_changes        = [compute_resources[0].desired_vcpus] # Batch's own
  }

  # Batch deletes machines with these; an environment whose role is gone cannot be deleted.
  depends_on = [aws_iam_role_policy.machine, aws_route.internet, aws_vpc_endpoint.gateway]
}

resource "aws_batch_job_queue" "this" {
  name     = var.name
  state    = "ENABLED"
  priority = 1

  compute_environment_order {
    order               = 1
    compute_environment = aws_batch_compute_environment.this.arn
  }
}

resource "aws_batch_job_definition" "this" {
  #checkov:skip=CKV_AWS_210:Not privileged; checkov reads no container properties that are made of locals.

  name                  = var.name
  type                  = local.many ? "multinode" : "container"
  platform_capabilities = [local.fargate ? "FARGATE" : "EC2"]
  propagate_tags        = true

  # Each attempt polls again. 0 is the end; what is not (a machine that was taken back, out of memory, a job over its time) has
  # left its message in the queue, and needs a machine once more. No timeout of Batch's: the poller ends each job that is over its.
  retry_strategy {
    attempts = 3
  }

  container_properties = local.many ? null : jsonencode(local.container)

  # The main machine polls; the others wait for its ranks (matinv.grid.nodes). When it ends, Batch ends them; when another one ends
  # early, its ranks are missed, the run ends, and the message comes back.
  node_properties = local.many ? jsonencode({
    mainNode            = 0
    numNodes            = var.nodes
    nodeRangeProperties = [{ targetNodes = "0:", container = local.container }]
  }) : null

  depends_on = [aws_iam_role_policy.this]
}
