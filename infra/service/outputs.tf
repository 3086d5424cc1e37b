output "environment" {
  description = "What command and client need to know of this stack: matinv --stack infra/service reads it."
  value       = merge(local.client_environment, { AWS_REGION = local.region })
}

output "api" {
  description = "The api: its alias for `aws lambda invoke`, its newest version, and its URL, which wants requests signed for `lambda`."
  value = {
    alias_arn = aws_lambda_alias.live.arn
    version   = module.api.version
    url       = aws_lambda_function_url.api.function_url
  }
}

output "image_uri" {
  description = "The image that all functions run: what scripts/release goes back to."
  value       = var.image_uri
}

output "policies" {
  description = "ARNs of the policies for people: client (submit, read), operator (dead letters)."
  value       = { client = aws_iam_policy.client.arn, operator = aws_iam_policy.operator.arn }
}

output "queues" {
  description = "The queues, for producers that write messages themselves."
  value       = { jobs = module.standard.queue, large = one(local.large[*].queue), dead = { arn = aws_sqs_queue.dead.arn, name = aws_sqs_queue.dead.name, url = aws_sqs_queue.dead.url } }
}

output "functions" {
  description = "The functions and their log groups, for `aws logs tail`."
  value = {
    standard = { name = module.standard.worker.name, log_group = module.standard.worker.log_group }
    large    = one([for lane in local.large[*] : { name = lane.worker.name, log_group = lane.worker.log_group }])
    api      = { name = module.api.name, log_group = module.api.log_group }
    canary   = { name = module.canary.name, log_group = module.canary.log_group }
  }
}

output "mappings" {
  description = "UUIDs of the event source mappings: aws lambda update-event-source-mapping --no-enabled stops a lane."
  value       = { for name, lane in local.lanes : name => lane.mapping_id }
}

output "topics" {
  description = "ARNs of the topics: job events, alarms, pages."
  value       = merge(module.monitoring.topics, { events = aws_sns_topic.events.arn })
}

output "alarms" {
  description = "Names of the alarms; `unhealthy` is the one that pages."
  value       = merge(module.monitoring.alarms, { unhealthy = module.monitoring.composite })
}

output "dashboards" {
  description = "Names of the dashboards."
  value       = module.monitoring.dashboards
}
