# Ranges are checked where users set them, in ../../service/huge.tf.

variable "lane" {
  description = "Name of the lane, and of those behind it, as MATINV_LANES wants them."
  type        = string
}

variable "name" {
  description = "Name of the queue, of Batch's job queue and job definition, and prefix of all else."
  type        = string
}

variable "image_uri" {
  description = "The image, by digest, in a registry of ECR."
  type        = string
}

variable "memory_mb" {
  description = "Memory of a machine in MiB: decides the largest matrix that it admits."
  type        = number
}

variable "vcpus" {
  description = "vCPUs of a machine, and threads of a job."
  type        = number
}

variable "machines" {
  description = "Most machines at a time: bounds cost."
  type        = number
}

variable "ranks" {
  description = "Processes of MPI that share a matrix, over all nodes; 0 for none, and then one process has all threads."
  type        = number
  default     = 0
}

variable "nodes" {
  description = "Machines that one job has: with more than one it is a multi-node job, on EC2 alone and not on Spot."
  type        = number
  default     = 1

  validation {
    condition     = var.nodes == 1 ? true : length(var.instance_types) > 0 && !var.spot
    error_message = "nodes above 1 need instance_types, and no spot: AWS Batch runs no other multi-node job, and would refuse it when one is sent."
  }
  validation {
    condition     = var.nodes == 1 ? true : var.ranks >= var.nodes && var.ranks % var.nodes == 0
    error_message = "ranks must be a multiple of nodes: each machine runs as many, and one without any would be paid for and idle."
  }
}

variable "timeout_s" {
  description = "Time that a job may take."
  type        = number
}

variable "instance_types" {
  description = "Types or families of EC2, arm64, to take instead of Fargate; none for Fargate."
  type        = list(string)
}

variable "spot" {
  description = "Whether machines may be taken back two minutes after a word: cheaper, and a job may begin again."
  type        = bool
}

variable "network" {
  description = "Subnets and security groups that reach ECR, CloudWatch Logs, SQS, SNS, S3 and DynamoDB; null makes a small network."
  type        = object({ subnet_ids = set(string), security_group_ids = set(string) })
}

variable "message_retention_s" {
  description = "How long SQS keeps a message that nobody takes."
  type        = number
}

variable "dead_letter_queue" {
  description = "Where messages go that were received too often. Its redrive allow policy must name this queue."
  type        = object({ arn = string, url = string })
}

variable "environment" {
  description = "The MATINV_* names that all workers have."
  type        = map(string)
}

variable "statements" {
  description = "IAM statements of what the poller may do, beyond emptying its queue."
  type        = any
}

variable "service" {
  description = "Dimension `service` of the poller's own metrics."
  type        = string
}

variable "metrics_namespace" {
  description = "CloudWatch namespace of the poller's own metrics."
  type        = string
}

variable "log_level" {
  description = "Lowest level that is logged."
  type        = string
}

variable "log_retention_days" {
  description = "Days until logs are deleted."
  type        = number
}

variable "permissions_boundary_arn" {
  description = "Policy that bounds the roles; null for none."
  type        = string
}

variable "kms_key_arn" {
  description = "A KMS key of the account's own for queue and logs; null means AWS' own."
  type        = string
}
