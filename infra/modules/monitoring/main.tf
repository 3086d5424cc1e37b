# Alarms, dashboards, and the topics that carry alarms. Each alarm says why it exists and what to do; the long form is the
# runbook. Metric names are tested against the list of what the services publish.

terraform {
  required_version = ">= 1.9, < 2"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }
}

resource "aws_sns_topic" "this" {
  #checkov:skip=CKV_AWS_26:CloudWatch cannot publish with SNS' own key, only with a customer's (customer_key) at $1 a month; names of metrics and thresholds are no secrets.

  for_each = toset(["alarms", "pages"])

  name              = "${var.name}-${each.value}"
  kms_master_key_id = var.kms_key_arn
}

resource "aws_sns_topic_policy" "this" {
  for_each = aws_sns_topic.this

  arn = each.value.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "Alarms"
        Effect    = "Allow"
        Principal = { Service = ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"] }
        Action    = "sns:Publish"
        Resource  = each.value.arn
        Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
      },
      {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sns:Publish"
        Resource  = each.value.arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}

resource "aws_sns_topic_subscription" "this" {
  for_each = merge([
    for topic, subscribers in { alarms = var.alarm_subscribers, pages = var.page_subscribers } : {
      for s in subscribers : "${topic} ${s.protocol} ${s.endpoint}" => merge(s, { topic = topic })
    }
  ]...)

  topic_arn = aws_sns_topic.this[each.value.topic].arn
  protocol  = each.value.protocol
  endpoint  = each.value.endpoint
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name        = "${var.name}-${each.key}"
  alarm_description = "${each.value.why} Do: ${each.value.do} Runbook: ${var.runbook_url}#alarm-${each.value.runbook}"

  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  datapoints_to_alarm = each.value.of[0]
  evaluation_periods  = each.value.of[1]
  treat_missing_data  = each.value.missing

  # One metric: the plain form, which alone knows percentiles of few samples.
  namespace          = each.value.expression == null ? values(each.value.metrics)[0].namespace : null
  metric_name        = each.value.expression == null ? values(each.value.metrics)[0].name : null
  dimensions         = each.value.expression == null ? values(each.value.metrics)[0].dimensions : null
  period             = each.value.expression == null ? each.value.period : null
  statistic          = each.value.expression == null && !startswith(values(each.value.metrics)[0].stat, "p") ? values(each.value.metrics)[0].stat : null
  extended_statistic = each.value.expression == null && startswith(values(each.value.metrics)[0].stat, "p") ? values(each.value.metrics)[0].stat : null

  evaluate_low_sample_count_percentiles = each.value.expression == null && startswith(values(each.value.metrics)[0].stat, "p") ? "evaluate" : null

  dynamic "metric_query" {
    for_each = each.value.expression == null ? {} : each.value.metrics

    content {
      id = metric_query.key

      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.name
        dimensions  = metric_query.value.dimensions
        stat        = metric_query.value.stat
        period      = each.value.period
      }
    }
  }

  dynamic "metric_query" {
    for_each = each.value.expression[*]

    content {
      id          = "judged"
      label       = each.key
      expression  = metric_query.value
      return_data = true
    }
  }

  alarm_actions = [aws_sns_topic.this["alarms"].arn]
  ok_actions    = [aws_sns_topic.this["alarms"].arn]
}

# The only one that wakes people.
resource "aws_cloudwatch_composite_alarm" "unhealthy" {
  alarm_name        = "${var.name}-unhealthy"
  alarm_description = "Jobs are lost, late or wrong, or soon will be. Do: look which alarm below it fires, and follow that one. Runbook: ${var.runbook_url}#alarm-unhealthy"

  alarm_rule = join(" OR ", [
    for key in sort([for key, alarm in local.alarms : key if alarm.pages]) :
    "ALARM(\"${aws_cloudwatch_metric_alarm.this[key].alarm_name}\")"
  ])

  alarm_actions = [aws_sns_topic.this["pages"].arn, aws_sns_topic.this["alarms"].arn]
  ok_actions    = [aws_sns_topic.this["pages"].arn, aws_sns_topic.this["alarms"].arn]
}

# Apart from the others: its threshold is a band, not a number.
resource "aws_cloudwatch_metric_alarm" "anomaly" {
  for_each = toset(var.anomaly_band == null ? [] : ["submitted"])

  alarm_name        = "${var.name}-anomaly-${each.key}"
  alarm_description = "Far more or far fewer jobs come in than at this time of other days and weeks. Do: ask who submits; a producer may be broken, or run twice. Runbook: ${var.runbook_url}#alarm-anomaly"

  comparison_operator = "LessThanLowerOrGreaterThanUpperThreshold"
  threshold_metric_id = "band"
  datapoints_to_alarm = 3
  evaluation_periods  = 3
  treat_missing_data  = "notBreaching"

  metric_query {
    id          = "submitted"
    return_data = true

    metric {
      namespace   = "AWS/SQS"
      metric_name = "NumberOfMessagesSent"
      dimensions  = { QueueName = var.queues.standard.name }
      stat        = "Sum"
      period      = 300
    }
  }

  metric_query {
    id          = "band"
    label       = "expected"
    expression  = "ANOMALY_DETECTION_BAND(submitted, ${coalesce(var.anomaly_band, 2)})"
    return_data = true
  }

  alarm_actions = [aws_sns_topic.this["alarms"].arn]
  ok_actions    = [aws_sns_topic.this["alarms"].arn]
}

resource "aws_budgets_budget" "this" {
  for_each = toset(var.monthly_budget_usd == null ? [] : ["monthly"])

  name         = "${var.name}-${each.key}"
  budget_type  = "COST"
  limit_amount = tostring(var.monthly_budget_usd)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"

  cost_filter {
    name   = "TagKeyValue"
    values = [format("user:stack$%s", var.name)]
  }

  notification {
    notification_type         = "FORECASTED"
    comparison_operator       = "GREATER_THAN"
    threshold                 = 80
    threshold_type            = "PERCENTAGE"
    subscriber_sns_topic_arns = [aws_sns_topic.this["alarms"].arn]
  }

  notification {
    notification_type         = "ACTUAL"
    comparison_operator       = "GREATER_THAN"
    threshold                 = 100
    threshold_type            = "PERCENTAGE"
    subscriber_sns_topic_arns = [aws_sns_topic.this["alarms"].arn]
  }
}
