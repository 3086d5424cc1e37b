output "alarms" {
  description = "Names of all alarms but the composite, by what they watch."
  value       = { for key, alarm in aws_cloudwatch_metric_alarm.this : key => alarm.alarm_name }
}

output "composite" {
  description = "Name of the alarm that pages."
  value       = aws_cloudwatch_composite_alarm.unhealthy.alarm_name
}

output "topics" {
  description = "ARNs of the topics: alarms (all of them) and pages (the composite)."
  value       = { for key, topic in aws_sns_topic.this : key => topic.arn }
}

output "dashboards" {
  description = "Names of the two dashboards."
  value       = { for key, dashboard in aws_cloudwatch_dashboard.this : key => dashboard.dashboard_name }
}
