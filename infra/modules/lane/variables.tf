# Ranges are checked where users set them, in ../../service/variables.tf; what follows from them is checked here.

variable "queue_name" {
  description = "Name of the queue. Changing it replaces the queue, and the messages in it are lost."
  type        = string
}

variable "function_name" {
  description = "Name of the worker."
  type        = string
}

variable "description" {
  description = "One line for the console."
  type        = string
}

variable "image_uri" {
  description = "The image, by digest."
  type        = string
}

variable "memory_mb" {
  description = "Memory of the worker: decides the largest matrix it admits, and its vCPUs."
  type        = number
}

variable "timeout_s" {
  description = "When Lambda kills an invocation; the visibility timeout follows from it."
  type        = number
}

variable "batch_size" {
  description = "Messages per invocation. More of them share one read of the table and one stacked LAPACK call; Lambda hands over at most 6 MB at a time whatever this says."
  type        = number
}

variable "batching_window_s" {
  description = "How long the poller collects messages before it invokes: adds up to this much to the latency of a lone job, and lets a stream of small jobs share invocations."
  type        = number
}

variable "maximum_concurrency" {
  description = "Most workers at a time: bounds cost and the load on the table. Too low and the backlog grows; alarms say so."
  type        = number
}

variable "visibility_timeout_s" {
  description = "How long a received message stays hidden; null means 6 x timeout + window, the least that is safe. Longer only delays the next attempt after a crash."
  type        = number
  default     = null
}

variable "message_retention_s" {
  description = "How long SQS keeps a message that nobody takes. After that it is gone without a trace."
  type        = number
}

variable "max_receive_count" {
  description = "Receives after which SQS moves a message to the dead-letter queue."
  type        = number
}

variable "dead_letter_queue" {
  description = "Where messages go that were received too often. Its redrive allow policy must name this queue."
  type        = object({ arn = string, url = string })
}

variable "notified_by" {
  description = "A bucket that announces its objects on this queue, and the account that owns it; null for none."
  type        = object({ arn = string, account_id = string })
  default     = null
}

variable "environment" {
  description = "The MATINV_* names, without MATINV_JOBS_QUEUE_URL, which is the lane's own queue."
  type        = map(string)
}

variable "statements" {
  description = "IAM statements of what the worker may do, beyond emptying its queue."
  type        = any
}

variable "service" {
  description = "Dimension `service` of the worker's own metrics."
  type        = string
}

variable "metrics_namespace" {
  description = "CloudWatch namespace of the worker's own metrics."
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
  description = "Policy that bounds the worker's role; null for none."
  type        = string
}

variable "pollers" {
  description = "Pollers that Lambda keeps ready, and the most that it adds; they bound the workers instead of maximum_concurrency. null lets Lambda scale them."
  type        = object({ minimum = number, maximum = number })
  default     = null
}

variable "kms_key_arn" {
  description = "A KMS key of the account's own for queue and logs; null means AWS' own."
  type        = string
  default     = null
}

variable "vpc" {
  description = "The network that the worker runs in; null for none."
  type        = object({ subnet_ids = set(string), security_group_ids = set(string) })
  default     = null
}
