# Switch `huge`: the lane of matrices that no Lambda function holds, on machines of AWS Batch.

variable "huge" {
  description = <<-TEXT
    The lane of matrices that are too large for Lambda, n up to 126,000 in float64: one job at a time on each machine that AWS Batch starts for it,
    and none while there is no work. {} takes Fargate's largest, 16 vCPUs and 120 GB. instance_types = ["r8g.16xlarge"] with vcpus = 64 and
    memory_mb = 500000 takes machines of EC2, n up to 254,000. machines bounds how many run at a time, and with them the cost of a
    minute (COST.md). spot lets AWS take a machine back: a job then begins again, so that it suits jobs of less than half an
    hour. network = { subnet_ids, security_group_ids } must reach ECR, CloudWatch Logs, SQS, SNS, S3 and DynamoDB; without it the lane has
    a small network of its own. null leaves the lane out.
  TEXT
  type = object({
    memory_mb           = optional(number, 122880)
    vcpus               = optional(number, 16)
    machines            = optional(number, 4)
    timeout_s           = optional(number, 41400)
    instance_types      = optional(list(string), [])
    spot                = optional(bool, false)
    network             = optional(object({ subnet_ids = set(string), security_group_ids = set(string) }))
    backlog_objective_s = optional(number, 43200)
  })
  default = null

  validation {
    condition     = try(length(var.huge.instance_types), 1) > 0 ? true : contains([8, 16], var.huge.vcpus)
    error_message = "huge.vcpus on Fargate are 8 or 16: with fewer the lane is no larger than a Lambda function, and there are none with more; name instance_types for those."
  }
  validation {
    condition     = try(length(var.huge.instance_types), 1) > 0 ? true : var.huge.memory_mb >= 16384 && var.huge.memory_mb <= (var.huge.vcpus == 8 ? 61440 : 122880) && var.huge.memory_mb % (var.huge.vcpus == 8 ? 4096 : 8192) == 0
    error_message = "huge.memory_mb on Fargate is from 16384 to 61440 in steps of 4096 with 8 vCPUs, and to 122880 in steps of 8192 with 16: AWS Batch takes no other job definition."
  }
  validation {
    condition     = var.huge == null ? true : var.huge.memory_mb > 10240 && floor(var.huge.memory_mb) == var.huge.memory_mb && var.huge.vcpus >= 8
    error_message = "huge.memory_mb is a whole number above 10240, with at least 8 vCPUs: jobs come here because they did not fit the large lane, and would be refused here too."
  }
  validation {
    condition     = var.huge == null ? true : var.huge.timeout_s >= 900 && var.huge.timeout_s <= 41400
    error_message = "huge.timeout_s is 900 to 41400: a message can be hidden for 12 hours, and a job that takes longer would be done twice."
  }
  validation {
    condition     = var.huge == null ? true : var.huge.machines >= 1 && floor(var.huge.machines) == var.huge.machines
    error_message = "huge.machines is a whole number of at least 1: with none the messages wait until they expire."
  }
  validation {
    condition     = var.huge == null ? true : alltrue([for type in var.huge.instance_types : can(regex("^[a-z]+[0-9]+g[a-z]*(\\.[0-9a-z]+)?$", type))])
    error_message = "huge.instance_types are Graviton's, such as r8g.16xlarge: the image is for arm64, and Batch would start machines that cannot run it."
  }
  validation {
    condition     = var.huge == null ? true : var.network == null || var.huge.network != null
    error_message = "huge.network must be given beside network: the lane's own network leads to the internet, which is what network shuts out."
  }
  validation {
    condition     = var.huge == null ? true : var.huge.backlog_objective_s >= 60
    error_message = "huge.backlog_objective_s must be at least 60: the alarm looks once a minute, and would never be quiet."
  }
}

module "huge" {
  source = "../modules/batch_lane"
  count  = var.huge == null ? 0 : 1

  lane      = join(" ", concat(["huge"], [for lane in local.grid[*] : "grid"]))
  name      = "${var.name}-huge"
  image_uri = var.image_uri

  memory_mb      = var.huge.memory_mb
  vcpus          = var.huge.vcpus
  machines       = var.huge.machines
  timeout_s      = var.huge.timeout_s
  instance_types = var.huge.instance_types
  spot           = var.huge.spot
  network        = var.huge.network

  message_retention_s = local.message_retention_s
  dead_letter_queue   = { arn = aws_sqs_queue.dead.arn, url = aws_sqs_queue.dead.url }

  environment = merge(local.environment, local.grid_environment)
  statements  = concat(local.worker_statements, local.allow_forward_to_grid, local.allow_key)

  service                  = local.metrics_service
  metrics_namespace        = local.metrics_namespace
  log_level                = var.log_level
  log_retention_days       = var.log_retention_days
  permissions_boundary_arn = var.permissions_boundary_arn
  kms_key_arn              = local.key_arn
}

locals {
  huge = one(module.huge)

  # Lanes on AWS Batch, by name.
  batch_lanes = merge({ for lane in local.huge[*] : "huge" => lane }, { for lane in local.grid[*] : "grid" => lane })

  # What each function knows of the lanes behind its own.
  batch_environment = merge([
    for name, lane in local.batch_lanes : { for key, value in lane.environment : "MATINV_${upper(name)}_${key}" => value }
  ]...)

  # The worker of the last lane on Lambda sends on to the first one on Batch, and asks for a machine before.
  allow_forward_to_batch = flatten(local.huge[*].allow_forward)

  # The canary asks for the machine that a lane lacks. ListJobs knows no resource. One statement for all lanes: a policy takes no Sid twice.
  allow_replace_tickets = flatten([
    for huge in local.huge[*] : [
      { Sid = "SeeWhatWaits", Effect = "Allow", Action = ["sqs:GetQueueAttributes"], Resource = [for lane in values(local.batch_lanes) : lane.queue.arn] },
      { Sid = "SeeMachines", Effect = "Allow", Action = ["batch:ListJobs"], Resource = ["*"] },
      merge(huge.allow_ticket, { Resource = flatten([for lane in values(local.batch_lanes) : lane.allow_ticket.Resource]) }),
    ]
  ])
}

output "huge" {
  description = "The lane on AWS Batch: its queue, its job queue and its log group; null if it was left out."
  value       = one([for lane in local.huge[*] : { queue = lane.queue, job_queue = lane.job_queue, log_group = lane.log_group }])
}
