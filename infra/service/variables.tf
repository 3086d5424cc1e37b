variable "name" {
  description = "Name of the stack: the prefix of every resource and the `service` dimension of its metrics. Changing it builds a new, empty stack and destroys this one."
  type        = string
  default     = "matinv"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,18}[a-z0-9]$", var.name))
    error_message = "name has 2 to 20 of a-z 0-9 -, first a letter: it becomes part of bucket names, which end after 63 characters."
  }
}

variable "account_id" {
  description = "The account that the stack belongs to: with credentials of another, nothing is made. null takes any, which keeps the number out of git."
  type        = string
  default     = null
}

variable "image_uri" {
  description = "The image to run, by digest: `repository@sha256:…` of what was pushed (../README.md). All functions run it and differ by their command."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}\\.dkr\\.ecr\\.[a-z0-9-]+\\.amazonaws\\.com(\\.cn)?/[a-z0-9._/-]+@sha256:[0-9a-f]{64}$", var.image_uri))
    error_message = "image_uri must be <account>.dkr.ecr.<region>.amazonaws.com/<repository>@sha256:<64 hex digits>: with a tag nobody could say what runs, and Lambda takes images from ECR only."
  }
}

variable "standard" {
  description = <<-TEXT
    The lane of all but the largest matrices. Memory decides the largest matrix it admits and its vCPUs (one per 1,769 MB),
    timeout_s the longest job (2n^3 flops at about 8 GFLOP/s per vCPU); what does not fit goes to the large lane.
    batch_size messages share an invocation: more is cheaper for small matrices, but what a batch cannot finish within
    timeout_s is handed back, and every hand-back is one of max_receive_count. SQS messages are at most 256 KiB:
    1 MiB messages need a newer provider than 5.100, and so do managed instances and durable functions.
    pollers = { minimum, maximum } keeps pollers ready, which take bursts up three times as fast; $6.66 a month each. They
    bound the workers, ten each, instead of maximum_concurrency.
  TEXT
  type = object({
    memory_mb            = optional(number, 1769)
    timeout_s            = optional(number, 120)
    batch_size           = optional(number, 100)
    batching_window_s    = optional(number, 1)
    maximum_concurrency  = optional(number, 50)
    pollers              = optional(object({ minimum = number, maximum = number }))
    visibility_timeout_s = optional(number)
    backlog_objective_s  = optional(number, 900)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.standard.memory_mb >= 512 && var.standard.memory_mb <= 10240 && floor(var.standard.memory_mb) == var.standard.memory_mb
    error_message = "standard.memory_mb is a whole number from 512 to 10240: Python, numpy and the AWS clients alone take about 150 MB, so that with less a worker dies on small matrices."
  }
  validation {
    condition     = var.standard.timeout_s >= 30 && var.standard.timeout_s <= 900
    error_message = "standard.timeout_s is 30 to 900: Lambda ends every invocation after 900 s, and in less than 30 s a batch hands back more than it does."
  }
  validation {
    condition     = var.standard.batch_size >= 1 && var.standard.batch_size <= 10000
    error_message = "standard.batch_size is 1 to 10000: Lambda refuses more for SQS."
  }
  validation {
    condition     = var.standard.batching_window_s >= 1 || var.standard.batch_size <= 10
    error_message = "standard.batch_size above 10 needs batching_window_s of at least 1: without a window SQS hands over at most 10 messages, and Lambda refuses the mapping."
  }
  validation {
    condition     = var.standard.maximum_concurrency >= 2 && var.standard.maximum_concurrency <= 1000
    error_message = "standard.maximum_concurrency is 2 to 1000: Lambda's pollers cannot be held to one worker."
  }
  validation {
    condition     = var.standard.pollers == null ? true : var.standard.pollers.minimum >= 2 && var.standard.pollers.minimum <= 200 && var.standard.pollers.maximum >= var.standard.pollers.minimum && var.standard.pollers.maximum <= 2000
    error_message = "standard.pollers are a minimum of 2 to 200 and a maximum from there to 2000: Lambda takes no others for SQS."
  }
  validation {
    condition     = coalesce(var.standard.visibility_timeout_s, 43200) >= 6 * var.standard.timeout_s + var.standard.batching_window_s
    error_message = "standard.visibility_timeout_s must be at least 6 x timeout_s + batching_window_s (leave it out to get just that): a shorter one delivers messages again while their jobs still run, so that they are done twice or end as dead letters."
  }
  validation {
    condition     = var.standard.backlog_objective_s >= 60
    error_message = "standard.backlog_objective_s must be at least 60: the alarm looks once a minute, and would never be quiet."
  }
}

variable "large" {
  description = <<-TEXT
    The lane of the largest matrices: one job per invocation, with all the memory and time that Lambda has. null leaves it
    out: what the standard lane cannot do is refused as TOO_LARGE. A new account takes no function above 3,008 MB, so that
    it needs null, or memory_mb = 3008, until the quota is raised. Lanes above 10,240 MB or 900 s (managed instances,
    durable functions) need a newer provider than 5.100 and are left out.
  TEXT
  type = object({
    memory_mb            = optional(number, 10240)
    timeout_s            = optional(number, 900)
    maximum_concurrency  = optional(number, 5)
    pollers              = optional(object({ minimum = number, maximum = number }))
    visibility_timeout_s = optional(number)
    backlog_objective_s  = optional(number, 7200)
  })
  default = {}

  validation {
    condition     = var.large == null ? true : var.large.memory_mb > var.standard.memory_mb && var.large.memory_mb <= 10240 && floor(var.large.memory_mb) == var.large.memory_mb
    error_message = "large.memory_mb is a whole number above standard.memory_mb, at most 10240: jobs come here because they did not fit there, and would be refused here too."
  }
  validation {
    condition     = var.large == null ? true : var.large.timeout_s >= var.standard.timeout_s && var.large.timeout_s <= 900
    error_message = "large.timeout_s is from standard.timeout_s to 900, Lambda's limit: with less, jobs that are sent here for their time would be refused here too."
  }
  validation {
    condition     = var.large == null ? true : var.large.maximum_concurrency >= 2 && var.large.maximum_concurrency <= 1000
    error_message = "large.maximum_concurrency is 2 to 1000: Lambda's pollers cannot be held to one worker."
  }
  validation {
    condition     = try(var.large.pollers, null) == null ? true : var.large.pollers.minimum >= 2 && var.large.pollers.minimum <= 200 && var.large.pollers.maximum >= var.large.pollers.minimum && var.large.pollers.maximum <= 2000
    error_message = "large.pollers are a minimum of 2 to 200 and a maximum from there to 2000: Lambda takes no others for SQS."
  }
  validation {
    condition     = var.large == null ? true : coalesce(var.large.visibility_timeout_s, 43200) >= 6 * var.large.timeout_s
    error_message = "large.visibility_timeout_s must be at least 6 x timeout_s (leave it out to get just that): a shorter one delivers a job again while it still runs."
  }
  validation {
    condition     = var.large == null ? true : var.large.backlog_objective_s >= 60
    error_message = "large.backlog_objective_s must be at least 60: the alarm looks once a minute, and would never be quiet."
  }
}

variable "api" {
  description = <<-TEXT
    The function for direct calls. snap_start starts new instances from a snapshot instead of a cold start, but AWS takes
    snapshots of its managed runtimes only and refuses container images until it says otherwise, so that true fails the
    apply today. callers are ARNs of IAM principals, of this or other accounts, that may use the function URL without
    more in their own policies; those of this account can be given the `client` policy instead. provisioned_concurrency
    keeps that many instances ready, so that no call waits for a cold start; $15 a month each at 1,769 MB.
  TEXT
  type = object({
    memory_mb               = optional(number, 1769)
    timeout_s               = optional(number, 60)
    reserved_concurrency    = optional(number)
    provisioned_concurrency = optional(number)
    snap_start              = optional(bool, false)
    callers                 = optional(set(string), [])
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for arn in var.api.callers : can(regex("^arn:[a-z-]+:(iam|sts)::[0-9]{12}:(root|user/.+|role/.+|assumed-role/.+)$", arn))])
    error_message = "api.callers are ARNs of accounts, users or roles: \"*\" would let the whole world spend your money."
  }
  validation {
    condition     = var.api.reserved_concurrency == null ? true : var.api.reserved_concurrency >= 1
    error_message = "api.reserved_concurrency is at least 1, or left out: 0 switches the function off."
  }
  validation {
    condition     = var.api.provisioned_concurrency == null ? true : var.api.provisioned_concurrency >= 1 && !var.api.snap_start && var.api.provisioned_concurrency <= coalesce(var.api.reserved_concurrency, 1000000)
    error_message = "api.provisioned_concurrency is from 1 to reserved_concurrency, and not beside snap_start: Lambda refuses both."
  }
}

variable "inputs_bucket_name" {
  description = "Name of the bucket where files are dropped; null makes one of stack, account and region. Changing it replaces the bucket."
  type        = string
  default     = null
}

variable "results_bucket_name" {
  description = "Name of the bucket where results go; null makes one of stack, account and region. Changing it replaces the bucket, and old records point nowhere."
  type        = string
  default     = null

  validation {
    condition     = var.results_bucket_name == null ? true : var.results_bucket_name != var.inputs_bucket_name
    error_message = "results_bucket_name must differ from inputs_bucket_name: every result would be taken for a new matrix, inverted, and its result again, without end and at your cost."
  }
}

variable "fair_by" {
  description = "Whose jobs SQS treats fairly: of each run, or of each value of a tag (tag:NAME), so that one's 100,000 jobs do not delay another's ten; none: first come, first served."
  type        = string
  default     = "run"

  validation {
    condition     = can(regex("^(run|none|tag:.+)$", var.fair_by))
    error_message = "fair_by is run, tag:NAME or none: the worker stops at its first import with anything else."
  }
}

variable "record_retention_days" {
  description = "How long job records live. A job id can be used anew after that, and `matinv status` knows nothing of the old job."
  type        = number
  default     = 30

  validation {
    condition     = var.record_retention_days >= 1 && var.record_retention_days <= 3650 && floor(var.record_retention_days) == var.record_retention_days
    error_message = "record_retention_days is a whole number from 1 to 3650: the worker stops at its first import with anything else."
  }
}

variable "results_expire_days" {
  description = "How long results live; null keeps them, and their cost, for ever."
  type        = number
  default     = 37

  validation {
    condition     = var.results_expire_days == null ? true : var.results_expire_days >= var.record_retention_days + 2
    error_message = "results_expire_days must be at least record_retention_days + 2 (DynamoDB may delete two days late), or null: else records say SUCCEEDED and point to results that are gone."
  }
}

variable "inputs_expire_days" {
  description = "How long dropped files live; null keeps them, and their cost, for ever."
  type        = number
  default     = 30

  validation {
    condition     = var.inputs_expire_days == null ? true : var.inputs_expire_days >= 18
    error_message = "inputs_expire_days must be at least 18 (4 days in the queue and 14 among the dead letters), or null: else a job that is sent again finds its file gone."
  }
}

variable "max_receive_count" {
  description = "Receives after which SQS moves a message to the dead-letter queue. Bad input never gets that far: the worker dead-letters it at once. Hand-backs near the end of an invocation count."
  type        = number
  default     = 10

  validation {
    condition     = var.max_receive_count >= 3 && var.max_receive_count <= 1000
    error_message = "max_receive_count is 3 to 1000: with fewer receives, a crash and one throttled poll would already send a good job to the dead letters."
  }
}

variable "inline_result_bytes" {
  description = "Results up to this size travel in the job's record instead of S3. 8 KiB is where a DynamoDB write and an S3 PUT cost the same."
  type        = number
  default     = 8192

  validation {
    condition     = var.inline_result_bytes >= 1 && var.inline_result_bytes <= 262144
    error_message = "inline_result_bytes is 1 to 262144: a DynamoDB item ends at 400 KB, base64 and the rest of the record included, and a job whose record cannot be written never ends."
  }
}

variable "canary_rate" {
  description = "How often the canary submits its job. The alarm waits two times 15 minutes for a heartbeat."
  type        = string
  default     = "rate(5 minutes)"

  validation {
    condition     = can(regex("^rate\\((1 minute|([2-9]|1[0-5]) minutes)\\)$", var.canary_rate))
    error_message = "canary_rate is rate(1 minute) to rate(15 minutes): the alarm counts heartbeats per 15 minutes and would fire without cause."
  }
}

variable "log_level" {
  description = "Lowest level that the functions log: DEBUG, INFO, WARN or ERROR. Above INFO the lines that name finished jobs are missing; metrics are written at every level."
  type        = string
  default     = "INFO"
}

variable "log_retention_days" {
  description = "Days until logs are deleted; logs are most of an idle stack's storage."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be one of CloudWatch's own: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096 and so on; 0 would keep, and bill, logs for ever."
  }
}

variable "alarm_subscribers" {
  description = "Who hears of every alarm. An address must confirm the mail that SNS sends to it; without any subscriber alarms change colour and nobody is notified. A queue or a function must let SNS in by its own policy: the deploy role may not change it."
  type        = set(object({ protocol = string, endpoint = string }))
  default     = []

  validation {
    condition     = alltrue([for s in var.alarm_subscribers : contains(["email", "email-json", "https", "sms", "sqs", "lambda"], s.protocol)])
    error_message = "The protocol of a subscriber is email, email-json, https, sms, sqs or lambda: SNS delivers by no other, and plain http would carry alarms in the open."
  }
}

variable "page_subscribers" {
  description = "Who is woken: hears of the composite alarm only."
  type        = set(object({ protocol = string, endpoint = string }))
  default     = []

  validation {
    condition     = alltrue([for s in var.page_subscribers : contains(["email", "email-json", "https", "sms", "sqs", "lambda"], s.protocol)])
    error_message = "The protocol of a subscriber is email, email-json, https, sms, sqs or lambda: SNS delivers by no other, and plain http would carry alarms in the open."
  }
}

variable "account_concurrency" {
  description = "The account's Lambda concurrency quota in this region (Service Quotas, L-B99A9384). Too high a number here and alarm `account` stays quiet while functions are throttled."
  type        = number
  default     = 1000

  validation {
    condition = var.account_concurrency >= sum([
      for lane in [for lane in [var.standard, var.large] : { maximum = lane.maximum_concurrency, pollers = lane.pollers } if lane != null] :
      lane.pollers == null ? lane.maximum : 10 * lane.pollers.maximum
    ])
    error_message = "account_concurrency is below what the lanes may use together (maximum_concurrency, or ten workers for each of their pollers): the lanes would throttle each other and everything else in the account. Lower the lanes, or have the quota raised (new accounts start with 10)."
  }
}

variable "anomaly_band" {
  description = "Width, in standard deviations, of the band in which the number of submitted jobs is expected; outside it an alarm fires. null switches the alarm off: a stack that is used by hand has no usual load."
  type        = number
  default     = null

  validation {
    condition     = var.anomaly_band == null ? true : var.anomaly_band >= 1 && var.anomaly_band <= 10
    error_message = "anomaly_band is 1 to 10 standard deviations: below 1 the alarm fires every day, above 10 never."
  }
}

variable "monthly_budget_usd" {
  description = "Notified when the forecast for the month passes 80 % of this, or the bill all of it; null for no budget. Counts what carries the tag stack=<name>, which must be activated as a cost allocation tag once per payer account."
  type        = number
  default     = null

  validation {
    condition     = var.monthly_budget_usd == null ? true : var.monthly_budget_usd > 0
    error_message = "monthly_budget_usd is above 0, or null: a budget of nothing fires at the first cent."
  }
}

variable "runbook_url" {
  description = "Where the runbook is; every alarm's description ends with this and the alarm's anchor."
  type        = string
  default     = "infra/RUNBOOK.md"
}

variable "permissions_boundary_arn" {
  description = "The boundary that bootstrap made, which its deploy role insists on; null when an administrator deploys."
  type        = string
  default     = null
}

variable "disposable" {
  description = "Whether `terraform destroy` may delete buckets and table with all that is in them. For test stacks: with true, one wrong destroy and every result is gone."
  type        = bool
  default     = false
}

variable "tags" {
  description = "Tags on every resource, beside project and stack."
  type        = map(string)
  default     = {}
}
