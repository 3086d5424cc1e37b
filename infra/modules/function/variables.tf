variable "name" {
  description = "Name of the function, of its role and of its log group. Changing it replaces all three."
  type        = string
}

variable "description" {
  description = "One line for the console."
  type        = string
}

variable "image_uri" {
  description = "The image, by digest. A tag could point elsewhere tomorrow, and Terraform would see no change."
  type        = string

  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image_uri))
    error_message = "image_uri must end in @sha256:<64 hex digits>: with a tag nobody could say what runs, and a new push under the same tag would not be deployed."
  }
}

variable "handler" {
  description = "The image's command: the Python handler to run, such as matinv.handlers.worker.handler."
  type        = string
}

variable "memory_mb" {
  description = "Memory, and with it CPU: one vCPU per 1,769 MB. Less means slower and a smaller largest matrix; cost per second grows in proportion."
  type        = number

  validation {
    condition     = var.memory_mb >= 128 && var.memory_mb <= 10240 && floor(var.memory_mb) == var.memory_mb
    error_message = "memory_mb is a whole number from 128 to 10240: Lambda has no other sizes."
  }
}

variable "timeout_s" {
  description = "When Lambda kills an invocation. The worker hands back what it cannot finish before that."
  type        = number

  validation {
    condition     = var.timeout_s >= 3 && var.timeout_s <= 900 && floor(var.timeout_s) == var.timeout_s
    error_message = "timeout_s is a whole number from 3 to 900: Lambda ends every invocation after 900 s, and the worker keeps 2 s for itself."
  }
}

variable "environment" {
  description = "The MATINV_* names, as matinv.settings reads them."
  type        = map(string)
}

variable "statements" {
  description = "IAM statements of what the function may do; logs and traces are added here. Of any type because some have a Condition and others none."
  type        = any
}

variable "service" {
  description = "Dimension `service` of the function's own metrics. The alarms watch it: two stacks in one account need two names."
  type        = string
}

variable "metrics_namespace" {
  description = "CloudWatch namespace of the function's own metrics."
  type        = string
}

variable "log_level" {
  description = "Lowest level that is logged."
  type        = string
  default     = "INFO"

  validation {
    condition     = contains(["DEBUG", "INFO", "WARN", "ERROR"], var.log_level)
    error_message = "log_level is DEBUG, INFO, WARN or ERROR: Lambda's JSON logs know no other. Above INFO the lines that name finished jobs are missing."
  }
}

variable "log_retention_days" {
  description = "Days until logs are deleted."
  type        = number
}

variable "publish" {
  description = "Whether each change makes a version that an alias can point to."
  type        = bool
  default     = false
}

variable "snap_start" {
  description = "Whether published versions start from a snapshot."
  type        = bool
  default     = false

  validation {
    condition     = !var.snap_start || var.publish
    error_message = "snap_start needs publish: snapshots are taken of published versions only, $LATEST would start cold for ever."
  }
}

variable "reserved_concurrency" {
  description = "Concurrency set aside for, and the limit of, this function; null shares the account's."
  type        = number
  default     = null
}

variable "permissions_boundary_arn" {
  description = "Policy that bounds the role, whatever its own policy says; null for none."
  type        = string
  default     = null
}

variable "kms_key_arn" {
  description = "A KMS key of the account's own for the logs; null means CloudWatch's."
  type        = string
  default     = null
}

variable "vpc" {
  description = "The network that the function runs in; null for none."
  type        = object({ subnet_ids = set(string), security_group_ids = set(string) })
  default     = null
}
