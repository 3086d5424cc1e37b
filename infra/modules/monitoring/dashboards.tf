# Two dashboards: what becomes of the jobs, and how the machinery does.

locals {
  # Widgets are two to a row, 12 columns of 24 each.
  dashboards = {
    jobs = [
      {
        title   = "Jobs per minute"
        stat    = "Sum"
        metrics = [for name in ["JobsSucceeded", "JobsPartial", "JobsRefused", "JobsExpired", "JobsRetried"] : [var.metrics_namespace, name, "service", var.metrics_service]]
      },
      {
        title   = "Why jobs fail"
        stat    = "Sum"
        metrics = [for name in ["UserErrors", "JobsFailed", "SINGULAR", "BAD_MESSAGE", "TOO_LARGE", "INPUT_GONE", "RESIDUAL", "INTERNAL", "Misconfigured"] : [var.metrics_namespace, name, "service", var.metrics_service]]
      },
      {
        title   = "Time of a job, median and slowest 1 % (ms)"
        stat    = "p99"
        metrics = concat([for name in ["QueuedTime", "LoadTime", "InvertTime", "PublishTime", "CanaryTime"] : [var.metrics_namespace, name, "service", var.metrics_service]], [[var.metrics_namespace, "InvertTime", "service", var.metrics_service, { stat = "p50" }]])
      },
      {
        title   = "Order of the matrices"
        stat    = "Maximum"
        metrics = [[var.metrics_namespace, "Order", "service", var.metrics_service], [var.metrics_namespace, "Order", "service", var.metrics_service, { stat = "p50" }]]
      },
      {
        title   = "Deliveries without new work, events without delivery"
        stat    = "Sum"
        metrics = [for name in ["Duplicates", "Stale", "Forwarded", "ReceivedAgain", "EventsLost"] : [var.metrics_namespace, name, "service", var.metrics_service]]
      },
      {
        title   = "Acknowledged messages and terminal records"
        stat    = "Sum"
        metrics = [for name in ["BatchSize", "Acknowledged", "TerminalRecords", "Heartbeat"] : [var.metrics_namespace, name, "service", var.metrics_service]]
      },
    ]
    machinery = [
      {
        title   = "Messages waiting, in flight, dead"
        stat    = "Maximum"
        metrics = concat([for pair in setproduct(["ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible"], local.queue_names) : ["AWS/SQS", pair[0], "QueueName", pair[1]]], [["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", var.dead_letters.name]])
      },
      {
        title   = "Age of the oldest message (s)"
        stat    = "Maximum"
        metrics = [for queue in concat(local.queue_names, [var.dead_letters.name]) : ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", queue]]
      },
      {
        title   = "Invocations and errors"
        stat    = "Sum"
        metrics = [for pair in setproduct(["Invocations", "Errors", "Throttles"], local.function_names) : ["AWS/Lambda", pair[0], "FunctionName", pair[1]]]
      },
      {
        title   = "Duration of the slowest 1 % (ms)"
        stat    = "p99"
        metrics = [for name in local.function_names : ["AWS/Lambda", "Duration", "FunctionName", name]]
      },
      {
        title   = "Concurrency"
        stat    = "Maximum"
        metrics = concat([for name in local.function_names : ["AWS/Lambda", "ConcurrentExecutions", "FunctionName", name]], [["AWS/Lambda", "ClaimedAccountConcurrency"]])
      },
      {
        title   = "Memory, % of what admission allows"
        stat    = "Maximum"
        metrics = [[var.metrics_namespace, "MemoryUsed", "service", var.metrics_service]]
      },
      {
        title   = "Pollers"
        stat    = "Sum"
        metrics = [for pair in setproduct(["PolledEventCount", "InvokedEventCount", "FailedInvokeEventCount", "DroppedEventCount"], local.mapping_ids) : ["AWS/Lambda", pair[0], "EventSourceMappingUUID", pair[1]]]
      },
      {
        title   = "Table: units consumed, throttles"
        stat    = "Sum"
        metrics = concat([for name in ["ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits", "ReadThrottleEvents", "WriteThrottleEvents"] : ["AWS/DynamoDB", name, "TableName", var.table_name]])
      },
    ]
  }

  queue_names    = [for queue in var.queues : queue.name]
  function_names = [for f in var.functions : f.name]
  mapping_ids    = [for queue in var.queues : queue.mapping_id if !queue.polls_itself]
}

resource "aws_cloudwatch_dashboard" "this" {
  for_each = local.dashboards

  dashboard_name = "${var.name}-${each.key}"
  dashboard_body = jsonencode({
    start          = "-PT6H"
    periodOverride = "inherit"
    widgets = concat(
      [{
        type   = "alarm"
        x      = 0
        y      = 0
        width  = 24
        height = 3
        properties = {
          title  = "Alarms"
          alarms = concat([aws_cloudwatch_composite_alarm.unhealthy.arn], [for alarm in aws_cloudwatch_metric_alarm.this : alarm.arn])
        }
      }],
      [for i, widget in each.value : {
        type   = "metric"
        x      = 12 * (i % 2)
        y      = 3 + 6 * floor(i / 2)
        width  = 12
        height = 6
        properties = {
          title   = widget.title
          region  = var.region
          period  = 60
          stat    = widget.stat
          metrics = widget.metrics
        }
      }],
    )
  })
}
