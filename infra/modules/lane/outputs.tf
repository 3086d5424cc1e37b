output "queue" {
  description = "The lane's queue."
  value = {
    arn  = aws_sqs_queue.this.arn
    name = aws_sqs_queue.this.name
    url  = aws_sqs_queue.this.url
  }
}

output "visibility_timeout_s" {
  description = "How long a received message stays hidden."
  value       = aws_sqs_queue.this.visibility_timeout_seconds
}

output "worker" {
  description = "The lane's worker, as monitoring wants it."
  value = {
    name                = module.worker.name
    arn                 = module.worker.arn
    log_group           = module.worker.log_group
    timeout_s           = module.worker.timeout_s
    maximum_concurrency = var.pollers == null ? var.maximum_concurrency : 10 * var.pollers.maximum
  }
}

output "mapping_id" {
  description = "UUID of the event source mapping, the dimension of its metrics."
  value       = aws_lambda_event_source_mapping.this.uuid
}

output "mapping" {
  description = "What bounds the workers: the mapping's scaling or its provisioned pollers, of which one is empty."
  value = {
    pollers = [for config in aws_lambda_event_source_mapping.this.provisioned_poller_config : { minimum_pollers = config.minimum_pollers, maximum_pollers = config.maximum_pollers }]
    scaling = [for config in aws_lambda_event_source_mapping.this.scaling_config : { maximum_concurrency = config.maximum_concurrency }]
  }
}
