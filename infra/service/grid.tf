# Switch `grid`: the lane of matrices that one process cannot do in time, spread over many by MPI and ScaLAPACK.

variable "grid" {
  description = <<-TEXT
    The lane behind `huge`: one matrix over many processes, n up to 329,000 in float64. { image_uri = "…@sha256:…" }, of an image that
    docker/Dockerfile.grid makes (../README.md), takes one r8g.48xlarge for each job: 12 ranks of 16 threads. nodes above 1 spreads the ranks
    over as many machines, which stand close to each other and are of one instance type; it needs network, with private subnets of one zone and
    a group that lets its machines call each other at any port. machines bounds how many jobs run at a time, and with
    them the cost of a minute (COST.md). network is as huge's; huge's, if given, must then reach AWS Batch as well. null leaves the lane out.
  TEXT
  type = object({
    image_uri           = string
    memory_mb           = optional(number, 1500000)
    vcpus               = optional(number, 192)
    ranks               = optional(number, 12)
    nodes               = optional(number, 1)
    machines            = optional(number, 1)
    timeout_s           = optional(number, 41400)
    instance_types      = optional(list(string), ["r8g.48xlarge"])
    network             = optional(object({ subnet_ids = set(string), security_group_ids = set(string) }))
    backlog_objective_s = optional(number, 43200)
  })
  default = null

  validation {
    condition     = var.grid == null ? true : var.huge != null
    error_message = "grid needs huge = {} or more: jobs come here from that lane alone."
  }
  validation {
    condition     = var.grid == null ? true : can(regex("^[0-9]{12}\\.dkr\\.ecr\\.[a-z0-9-]+\\.amazonaws\\.com(\\.cn)?/[a-z0-9._/-]+@sha256:[0-9a-f]{64}$", var.grid.image_uri))
    error_message = "grid.image_uri must be <account>.dkr.ecr.<region>.amazonaws.com/<repository>@sha256:<64 hex digits>, as image_uri: with a tag nobody could say what runs."
  }
  validation {
    condition     = var.grid == null ? true : var.grid.image_uri != var.image_uri
    error_message = "grid.image_uri is not image_uri: that image has neither MPI nor ScaLAPACK. Build docker/Dockerfile.grid."
  }
  validation {
    condition     = var.grid == null ? true : length(var.grid.instance_types) > 0 && alltrue([for type in var.grid.instance_types : can(regex("^[a-z]+[0-9]+g[a-z]*(\\.[0-9a-z]+)?$", type))])
    error_message = "grid.instance_types are Graviton's, such as r8g.48xlarge: the image is for arm64, and Fargate has no machine larger than huge's."
  }
  validation {
    condition     = try(var.grid.nodes * var.grid.memory_mb > var.huge.memory_mb, true)
    error_message = "grid.memory_mb, over all nodes, is above huge.memory_mb: jobs come here because they did not fit there, and would be refused here too."
  }
  validation {
    condition     = var.grid == null ? true : var.grid.nodes >= 1 && floor(var.grid.nodes) == var.grid.nodes && var.grid.ranks >= 2 && var.grid.ranks % var.grid.nodes == 0 && var.grid.ranks <= var.grid.nodes * var.grid.vcpus
    error_message = "grid.ranks is at least 2, a multiple of nodes, and at most a rank for each vCPU: each machine runs as many."
  }
  # Batch guide, "Compute environment considerations for MNP".
  validation {
    condition     = var.grid == null ? true : var.grid.nodes == 1 || var.grid.network != null
    error_message = "grid.nodes above 1 needs grid.network, with private subnets of one zone: AWS Batch gives containers of such jobs no public address, so that they would not reach SQS from the lane's own network."
  }
  validation {
    condition     = var.grid == null ? true : var.grid.timeout_s >= 900 && var.grid.timeout_s <= 41400
    error_message = "grid.timeout_s is 900 to 41400: a message can be hidden for 12 hours, and a job that takes longer would be done twice."
  }
  validation {
    condition     = var.grid == null ? true : var.grid.machines >= 1 && floor(var.grid.machines) == var.grid.machines
    error_message = "grid.machines is a whole number of at least 1: with none the messages wait until they expire."
  }
  validation {
    condition     = var.grid == null ? true : var.network == null || var.grid.network != null
    error_message = "grid.network must be given beside network: the lane's own network leads to the internet, which is what network shuts out."
  }
  validation {
    condition     = var.grid == null ? true : var.grid.backlog_objective_s >= 60
    error_message = "grid.backlog_objective_s must be at least 60: the alarm looks once a minute, and would never be quiet."
  }
}

module "grid" {
  source = "../modules/batch_lane"
  count  = var.grid == null ? 0 : 1

  lane      = "grid"
  name      = "${var.name}-grid"
  image_uri = var.grid.image_uri

  memory_mb      = var.grid.memory_mb
  vcpus          = var.grid.vcpus
  ranks          = var.grid.ranks
  nodes          = var.grid.nodes
  machines       = var.grid.machines
  timeout_s      = var.grid.timeout_s
  instance_types = var.grid.instance_types
  spot           = false # a job that loses one of its machines begins again, and costs tens of dollars
  network        = var.grid.network

  message_retention_s = local.message_retention_s
  dead_letter_queue   = { arn = aws_sqs_queue.dead.arn, url = aws_sqs_queue.dead.url }

  environment = local.environment
  statements  = concat(local.worker_statements, local.allow_key)

  service                  = local.metrics_service
  metrics_namespace        = local.metrics_namespace
  log_level                = var.log_level
  log_retention_days       = var.log_retention_days
  permissions_boundary_arn = var.permissions_boundary_arn
  kms_key_arn              = local.key_arn
}

locals {
  grid = one(module.grid)

  # What huge's poller knows of the lane behind its own, and what it may: send on, and ask for machines before.
  grid_environment = merge([
    for lane in local.grid[*] : { for key, value in lane.environment : "MATINV_GRID_${key}" => value }
  ]...)
  allow_forward_to_grid = flatten(local.grid[*].allow_forward)
}

output "grid" {
  description = "The lane of many processes: its queue, its job queue and its log group; null if it was left out."
  value       = one([for lane in local.grid[*] : { queue = lane.queue, job_queue = lane.job_queue, log_group = lane.log_group }])
}
