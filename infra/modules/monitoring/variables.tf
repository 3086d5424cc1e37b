variable "name" {
  description = "Name of the stack: prefix of alarms, topics and dashboards."
  type        = string
}

variable "account_id" {
  description = "The account whose alarms and budgets may publish to the topics."
  type        = string
}

variable "region" {
  description = "The region that the dashboards show."
  type        = string
}

variable "functions" {
  description = "Functions to watch, by role. maximum_concurrency is null where nothing bounds it; then nothing is said of saturation. has_destination: asynchronous calls that fail for good are kept somewhere."
  type = map(object({
    name                = string
    timeout_s           = number
    maximum_concurrency = optional(number)
    has_destination     = optional(bool, false)
  }))
}

variable "queues" {
  description = "Queues with a consumer, by lane. A queue that is left out here is watched by nobody. Where machines poll by themselves there is no mapping, and they take start_min minutes to come."
  type = map(object({
    name                = string
    mapping_id          = optional(string)
    polls_itself        = optional(bool, false)
    backlog_objective_s = number
    start_min           = optional(number, 10)
  }))
}

variable "dead_letters" {
  description = "The dead-letter queue, and how long it and the queues before it keep messages."
  type = object({
    name               = string
    retention_s        = number
    source_retention_s = number
  })

  validation {
    condition     = var.dead_letters.retention_s - var.dead_letters.source_retention_s > 3 * 86400
    error_message = "Dead letters must be kept more than 3 days longer than messages before them: a message's life counts from its first sending, so that the alarm of their expiry would come after it."
  }
}

variable "events_topic_name" {
  description = "The topic of job events."
  type        = string
}

variable "table_name" {
  description = "The jobs table."
  type        = string
}

variable "index_names" {
  description = "The jobs table's indexes, each of which is throttled apart from the table."
  type        = set(string)
}

variable "metrics_namespace" {
  description = "CloudWatch namespace of the service's own metrics."
  type        = string
}

variable "metrics_service" {
  description = "Their dimension `service`. What the functions emit under another name, no alarm sees."
  type        = string
}

variable "account_concurrency" {
  description = "The account's Lambda concurrency quota in this region."
  type        = number
}

variable "alarm_subscribers" {
  description = "Who hears of every alarm."
  type        = set(object({ protocol = string, endpoint = string }))
}

variable "page_subscribers" {
  description = "Who hears of the composite alarm only."
  type        = set(object({ protocol = string, endpoint = string }))
}

variable "anomaly_band" {
  description = "Width of the band in which the number of submitted jobs is expected, in standard deviations; null for no such alarm."
  type        = number
}

variable "monthly_budget_usd" {
  description = "Limit of the budget; null for none."
  type        = number
}

variable "runbook_url" {
  description = "Where the runbook is."
  type        = string
}

variable "kms_key_arn" {
  description = "A KMS key of the account's own for the topics, which lets CloudWatch and Budgets use it; null for none."
  type        = string
  default     = null
}
