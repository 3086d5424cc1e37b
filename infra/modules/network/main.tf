# A network for functions that must not reach the internet: private subnets in two zones, and endpoints for what they call.
# There is no gateway to anywhere else. Lambda sends logs and traces by itself, outside the network.

terraform {
  required_version = ">= 1.9, < 2"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }
}

variable "name" {
  description = "Prefix of everything's name."
  type        = string
}

variable "cidr" {
  description = "Addresses of the network, /16 to /24: split into four, of which two zones get one each."
  type        = string
}

variable "region" {
  description = "The region, part of the endpoints' names."
  type        = string
}

variable "account_id" {
  description = "The only account whose things can be reached through the endpoints."
  type        = string
}

variable "services" {
  description = "What functions call beside S3 and DynamoDB: an endpoint for each."
  type        = set(string)
  default     = ["sqs", "sns"]
}

data "aws_availability_zones" "here" {
  #checkov:skip=CKV_AWS_394:The first two by name, and a subnet stays where it was made, whatever zone is added.

  state = "available"

  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"] # no local zones: Lambda is not there
  }
}

locals {
  zones = slice(sort(data.aws_availability_zones.here.names), 0, 2)

  # Whoever steals a function's credentials takes nothing out: other accounts' buckets, queues and topics are out of reach.
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OwnAccount"
      Effect    = "Allow"
      Principal = "*"
      Action    = "*"
      Resource  = "*"
      Condition = { StringEquals = { "aws:ResourceAccount" = var.account_id, "aws:PrincipalAccount" = var.account_id } }
    }]
  })
}

resource "aws_vpc" "this" {
  #checkov:skip=CKV2_AWS_12:Nothing is put into the default group, and a deploy may only touch what carries its tag, which that group does not.
  #checkov:skip=CKV2_AWS_11:Nothing but the endpoints can be reached; who called what is in CloudTrail, and flow logs would cost $0.50 per GB.

  cidr_block           = var.cidr
  enable_dns_support   = true # the endpoints answer to AWS' own names
  enable_dns_hostnames = true
  tags                 = { Name = var.name }
}

resource "aws_subnet" "this" {
  count = 2

  vpc_id            = aws_vpc.this.id
  availability_zone = local.zones[count.index]
  cidr_block        = cidrsubnet(var.cidr, 2, count.index)
  tags              = { Name = "${var.name}-${local.zones[count.index]}" }

  lifecycle {
    ignore_changes = [availability_zone, tags["Name"]] # or a new zone would move it, and the functions with it
  }
}

resource "aws_route_table" "this" {
  vpc_id = aws_vpc.this.id
  tags   = { Name = var.name }
}

resource "aws_route_table_association" "this" {
  count = 2

  subnet_id      = aws_subnet.this[count.index].id
  route_table_id = aws_route_table.this.id
}

resource "aws_security_group" "functions" {
  #checkov:skip=CKV2_AWS_5:Attached to the functions, by the module that asks for it.

  name        = "${var.name}-functions"
  description = "Functions: they call AWS' endpoints, nobody calls them."
  vpc_id      = aws_vpc.this.id
  tags        = { Name = "${var.name}-functions" }
}

resource "aws_security_group" "endpoints" {
  name        = "${var.name}-endpoints"
  description = "Endpoints: called by functions."
  vpc_id      = aws_vpc.this.id
  tags        = { Name = "${var.name}-endpoints" }
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  security_group_id            = aws_security_group.endpoints.id
  description                  = "HTTPS from the functions."
  referenced_security_group_id = aws_security_group.functions.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_egress_rule" "to_endpoints" {
  security_group_id            = aws_security_group.functions.id
  description                  = "HTTPS to the interface endpoints."
  referenced_security_group_id = aws_security_group.endpoints.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_egress_rule" "to_gateways" {
  for_each = aws_vpc_endpoint.gateway

  security_group_id = aws_security_group.functions.id
  description       = "HTTPS to ${each.key}."
  prefix_list_id    = each.value.prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

# Free, and what most of the bytes go through.
resource "aws_vpc_endpoint" "gateway" {
  for_each = toset(["s3", "dynamodb"])

  vpc_id            = aws_vpc.this.id
  vpc_endpoint_type = "Gateway"
  service_name      = "com.amazonaws.${var.region}.${each.value}"
  route_table_ids   = [aws_route_table.this.id]
  policy            = local.policy
  tags              = { Name = "${var.name}-${each.value}" }
}

# $7.20 a month each, zone and service.
resource "aws_vpc_endpoint" "interface" {
  for_each = var.services

  vpc_id              = aws_vpc.this.id
  vpc_endpoint_type   = "Interface"
  service_name        = "com.amazonaws.${var.region}.${each.value}"
  subnet_ids          = aws_subnet.this[*].id
  security_group_ids  = [aws_security_group.endpoints.id]
  private_dns_enabled = true
  policy              = local.policy
  tags                = { Name = "${var.name}-${each.value}" }
}

output "functions" {
  description = "Where functions are put."
  value       = { subnet_ids = aws_subnet.this[*].id, security_group_ids = [aws_security_group.functions.id] }

  # A function that starts before its ways out exist fails on its first job.
  depends_on = [
    aws_vpc_endpoint.gateway, aws_vpc_endpoint.interface, aws_route_table_association.this,
    aws_vpc_security_group_ingress_rule.endpoints, aws_vpc_security_group_egress_rule.to_endpoints,
    aws_vpc_security_group_egress_rule.to_gateways,
  ]
}

output "services" {
  description = "What can be called beside S3 and DynamoDB."
  value       = var.services
}
