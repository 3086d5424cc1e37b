# Switch `http_api`: API Gateway before the api function, with a name of your own, CORS and other ways to say who calls.

variable "http_api" {
  description = <<-TEXT
    An HTTP API before the api function; null for none: its function URL then serves the same. $1 per million calls; an answer
    ends after 30 seconds. domain_name with certificate_arn (ACM, of this region) gives it a name: point a CNAME to the output
    `http_api`. jwt names who may call, by tokens of that issuer; without it calls are signed by IAM (`execute-api`).
    cors_origins are pages that may call it from a browser, and upload to and download from the buckets by presigned URLs.
  TEXT
  type = object({
    domain_name     = optional(string)
    certificate_arn = optional(string)
    jwt             = optional(object({ issuer = string, audience = set(string) }))
    cors_origins    = optional(set(string), [])
    burst           = optional(number, 100)
    rate            = optional(number, 50)
  })
  default = null

  validation {
    condition     = var.http_api == null ? true : (var.http_api.domain_name == null) == (var.http_api.certificate_arn == null)
    error_message = "http_api.domain_name and certificate_arn go together: API Gateway serves no name without its certificate."
  }
  validation {
    condition     = var.http_api == null ? true : alltrue([for origin in var.http_api.cors_origins : can(regex("^https://[^*/]+$", origin))])
    error_message = "http_api.cors_origins are origins such as https://lab.example.com, without wildcard and path: any page in any browser could else call with its user's rights."
  }
  validation {
    condition     = try(var.http_api.jwt, null) == null ? true : startswith(var.http_api.jwt.issuer, "https://") && length(var.http_api.jwt.audience) > 0
    error_message = "http_api.jwt needs an issuer, https://…, and an audience: without one, a token that was made for anybody else would do."
  }
}

locals {
  http_api = var.http_api == null ? {} : { this = var.http_api }
  cors     = try(tolist(var.http_api.cors_origins), [])
}

resource "aws_apigatewayv2_api" "this" {
  for_each = local.http_api

  name          = var.name
  description   = "The HTTP API of the stack ${var.name}."
  protocol_type = "HTTP"

  # With a name of its own, the other one would be a way around what is set up for it.
  disable_execute_api_endpoint = each.value.domain_name != null

  dynamic "cors_configuration" {
    for_each = length(local.cors) == 0 ? [] : [local.cors]

    content {
      allow_origins  = cors_configuration.value
      allow_methods  = ["GET", "POST", "PUT", "DELETE", "OPTIONS"]
      allow_headers  = ["authorization", "content-type", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"]
      expose_headers = ["location", "retry-after", "x-amzn-requestid"]
      max_age        = 3600
    }
  }
}

resource "aws_apigatewayv2_integration" "this" {
  for_each = local.http_api

  api_id                 = aws_apigatewayv2_api.this[each.key].id
  integration_type       = "AWS_PROXY"
  integration_uri        = aws_lambda_alias.live.invoke_arn
  payload_format_version = "2.0" # what the function URL sends as well
  timeout_milliseconds   = 30000 # API Gateway's limit
}

resource "aws_apigatewayv2_authorizer" "jwt" {
  for_each = { for key, api in local.http_api : key => api.jwt if api.jwt != null }

  name             = "jwt"
  api_id           = aws_apigatewayv2_api.this[each.key].id
  authorizer_type  = "JWT"
  identity_sources = ["$request.header.Authorization"]

  jwt_configuration {
    issuer   = each.value.issuer
    audience = each.value.audience
  }
}

resource "aws_apigatewayv2_route" "all" {
  for_each = local.http_api

  api_id             = aws_apigatewayv2_api.this[each.key].id
  route_key          = "$default"
  target             = "integrations/${aws_apigatewayv2_integration.this[each.key].id}"
  authorization_type = each.value.jwt == null ? "AWS_IAM" : "JWT"
  authorizer_id      = each.value.jwt == null ? null : aws_apigatewayv2_authorizer.jwt[each.key].id
}

# Browsers ask without credentials whether they may call: the route of everything would refuse them (API Gateway guide, "Configuring
# CORS for an HTTP API with a $default route and an authorizer"). API Gateway answers by itself; the function is not called.
resource "aws_apigatewayv2_route" "preflight" {
  #checkov:skip=CKV_AWS_309:Preflight requests carry no credentials; the answer names methods and origins, and no job.

  for_each = length(local.cors) == 0 ? {} : local.http_api

  api_id             = aws_apigatewayv2_api.this[each.key].id
  route_key          = "OPTIONS /{proxy+}"
  target             = "integrations/${aws_apigatewayv2_integration.this[each.key].id}"
  authorization_type = "NONE"
}

resource "aws_cloudwatch_log_group" "http_api" {
  #checkov:skip=CKV_AWS_158:Encrypted with the stack's own key if customer_key is set; the lines name callers and paths, never matrix values.
  #checkov:skip=CKV_AWS_338:How long is the user's choice, log_retention_days.

  for_each = local.http_api

  name              = "/aws/http-api/${var.name}-http"
  retention_in_days = var.log_retention_days
  kms_key_id        = local.key_arn
}

resource "aws_apigatewayv2_stage" "this" {
  for_each = local.http_api

  api_id      = aws_apigatewayv2_api.this[each.key].id
  name        = "$default"
  auto_deploy = true

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.http_api[each.key].arn
    format = jsonencode({
      requestId = "$context.requestId", time = "$context.requestTime", ip = "$context.identity.sourceIp", method = "$context.httpMethod",
      path      = "$context.path", status = "$context.status", error = "$context.error.message", latency_ms = "$context.responseLatency",
    })
  }

  default_route_settings {
    throttling_burst_limit = each.value.burst
    throttling_rate_limit  = each.value.rate
  }
}

resource "aws_lambda_permission" "http_api" {
  for_each = local.http_api

  function_name = module.api.name
  qualifier     = aws_lambda_alias.live.name
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this[each.key].execution_arn}/*"
}

resource "aws_apigatewayv2_domain_name" "this" {
  for_each = { for key, api in local.http_api : key => api if api.domain_name != null }

  domain_name = each.value.domain_name

  domain_name_configuration {
    certificate_arn = each.value.certificate_arn
    endpoint_type   = "REGIONAL"
    security_policy = "TLS_1_2"
  }
}

resource "aws_apigatewayv2_api_mapping" "this" {
  for_each = aws_apigatewayv2_domain_name.this

  api_id      = aws_apigatewayv2_api.this[each.key].id
  domain_name = each.value.id
  stage       = aws_apigatewayv2_stage.this[each.key].id
}

# Presigned URLs lead to the buckets themselves, from the same pages.
resource "aws_s3_bucket_cors_configuration" "this" {
  for_each = length(local.cors) == 0 ? {} : { inputs = [module.inputs.id, "PUT"], results = [module.results.id, "GET"] }

  bucket = each.value[0]

  cors_rule {
    allowed_origins = local.cors
    allowed_methods = [each.value[1]]
    allowed_headers = ["*"]
    expose_headers  = ["ETag", "x-amz-version-id"]
    max_age_seconds = 3600
  }
}

output "http_api" {
  description = "The HTTP API: its URL, and what the CNAME of its own name points to; null without the switch."
  value = one([for key, api in local.http_api : {
    url   = api.domain_name == null ? aws_apigatewayv2_api.this[key].api_endpoint : "https://${api.domain_name}"
    cname = api.domain_name == null ? null : aws_apigatewayv2_domain_name.this[key].domain_name_configuration[0].target_domain_name
  }])
}
