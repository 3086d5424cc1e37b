output "queue" {
  description = "The lane's queue."
  value = {
    arn  = aws_sqs_queue.this.arn
    name = aws_sqs_queue.this.name
    url  = aws_sqs_queue.this.url
  }
}

output "log_group" {
  description = "Where the pollers log."
  value       = aws_cloudwatch_log_group.this.name
}

output "job_queue" {
  description = "Batch's job queue, which no other lane shares."
  value       = { arn = aws_batch_job_queue.this.arn, name = aws_batch_job_queue.this.name }
}

output "environment" {
  description = "What those who forward to the lane must know of it, by the names of MATINV_<LANE>_*: queue, memory, threads, time, ticket."
  value = merge({
    QUEUE_URL        = aws_sqs_queue.this.url
    MEMORY_MB        = tostring(var.nodes * var.memory_mb)
    THREADS          = tostring(var.nodes * var.vcpus)
    TIMEOUT_S        = tostring(var.timeout_s)
    BATCH_QUEUE      = aws_batch_job_queue.this.arn
    BATCH_DEFINITION = aws_batch_job_definition.this.name # Batch takes its newest revision, whatever was deployed meanwhile
    }, var.ranks == 0 ? {} : {
    RANKS = tostring(var.ranks)
  })
}

output "allow_ticket" {
  description = "The statement that lets a role ask for a machine: the job definition's newest revision, on this job queue alone."
  value       = local.allow_ticket
}

output "allow_forward" {
  description = "The statements that let the lane before this one send messages on, and ask for a machine before."
  value = [
    { Sid = "ForwardToBatch", Effect = "Allow", Action = ["sqs:SendMessage"], Resource = [aws_sqs_queue.this.arn] },
    local.allow_ticket,
  ]
}

locals {
  allow_ticket = {
    Sid    = "AskForMachines"
    Effect = "Allow"
    Action = ["batch:SubmitJob"]
    Resource = [
      aws_batch_job_queue.this.arn,
      "arn:${local.partition}:batch:${local.region}:${local.account_id}:job-definition/${aws_batch_job_definition.this.name}",
      "arn:${local.partition}:batch:${local.region}:${local.account_id}:job-definition/${aws_batch_job_definition.this.name}:*",
    ]
  }
}

output "machines" {
  description = "What Batch starts."
  value       = aws_batch_compute_environment.this.compute_resources
}

output "container" {
  description = "What a machine runs."
  value       = local.container
}

output "nodes" {
  description = "How a job of several machines is made of them; null for one."
  value       = local.many ? jsondecode(aws_batch_job_definition.this.node_properties) : null
}
