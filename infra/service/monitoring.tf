module "monitoring" {
  source = "../modules/monitoring"

  name       = var.name
  account_id = local.account_id
  region     = local.region

  functions = merge(
    { for name, lane in local.lanes : name => lane.worker },
    { api = { name = module.api.name, timeout_s = module.api.timeout_s, has_destination = true } },
  )

  queues = merge(
    {
      for name, lane in local.lanes : name => {
        name                = lane.queue.name
        mapping_id          = lane.mapping_id
        backlog_objective_s = name == "large" ? var.large.backlog_objective_s : var.standard.backlog_objective_s
      }
    },
    {
      for name, lane in local.batch_lanes : name => {
        name                = lane.queue.name
        backlog_objective_s = name == "grid" ? var.grid.backlog_objective_s : var.huge.backlog_objective_s
        polls_itself        = true
        start_min           = 30 # a machine of EC2 may take ten minutes, and the canary replaces a ticket that is lost in five
      }
    },
  )

  dead_letters = {
    name               = aws_sqs_queue.dead.name
    retention_s        = local.dead_letter_retention_s
    source_retention_s = local.message_retention_s
  }

  events_topic_name   = aws_sns_topic.events.name
  table_name          = aws_dynamodb_table.jobs.name
  index_names         = aws_dynamodb_table.jobs.global_secondary_index[*].name
  metrics_namespace   = local.metrics_namespace
  metrics_service     = local.metrics_service
  account_concurrency = var.account_concurrency

  alarm_subscribers  = var.alarm_subscribers
  page_subscribers   = var.page_subscribers
  anomaly_band       = var.anomaly_band
  monthly_budget_usd = var.monthly_budget_usd
  runbook_url        = var.runbook_url
  kms_key_arn        = local.key_arn
}
