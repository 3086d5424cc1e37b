output "name" {
  description = "The function's name, for metrics and commands."
  value       = aws_lambda_function.this.function_name
}

output "arn" {
  description = "The unqualified ARN."
  value       = aws_lambda_function.this.arn
}

output "version" {
  description = "The version that this apply published; $LATEST without `publish`."
  value       = aws_lambda_function.this.version
}

output "log_group" {
  description = "Where its logs are."
  value       = aws_cloudwatch_log_group.this.name
}

output "timeout_s" {
  description = "When Lambda kills an invocation."
  value       = aws_lambda_function.this.timeout
}
