# A small network of the lane's own, unless one is given: two public subnets, for the image, the log and SQS, and gateway endpoints, which
# cost nothing, for the matrices. Nobody can call a machine: its group lets nothing in.

data "aws_availability_zones" "here" {
  #checkov:skip=CKV_AWS_394:The first two by name, and a subnet stays where it was made, whatever zone is added.

  state = "available"

  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

locals {
  own   = var.network == null ? 1 : 0
  zones = slice(sort(data.aws_availability_zones.here.names), 0, 2)
}

resource "aws_vpc" "this" {
  #checkov:skip=CKV2_AWS_12:Nothing is put into the default group, and a deploy may only touch what carries its tag, which that group does not.
  #checkov:skip=CKV2_AWS_11:Machines call AWS' endpoints, and who called what is in CloudTrail; flow logs would cost $0.50 per GB, and a job moves 270.
  count = local.own

  cidr_block           = "10.255.255.0/24" # nothing is joined to it
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = { Name = var.name }
}

resource "aws_subnet" "this" {
  #checkov:skip=CKV_AWS_130:A machine without a public address would need a NAT gateway, at $33 a month and $0.045 per GB, or four interface endpoints.
  count = 2 * local.own

  vpc_id                  = aws_vpc.this[0].id
  availability_zone       = local.zones[count.index]
  cidr_block              = cidrsubnet(aws_vpc.this[0].cidr_block, 2, count.index)
  map_public_ip_on_launch = true # machines of EC2; Fargate's are asked by the job definition
  tags                    = { Name = "${var.name}-${local.zones[count.index]}" }

  lifecycle {
    ignore_changes = [availability_zone, tags["Name"]] # or a new zone would move it, and the machines with it
  }
}

resource "aws_internet_gateway" "this" {
  count = local.own

  vpc_id = aws_vpc.this[0].id
  tags   = { Name = var.name }
}

resource "aws_route_table" "this" {
  count = local.own

  vpc_id = aws_vpc.this[0].id
  tags   = { Name = var.name }
}

resource "aws_route" "internet" {
  count = local.own

  route_table_id         = aws_route_table.this[0].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this[0].id
}

resource "aws_route_table_association" "this" {
  count = 2 * local.own

  subnet_id      = aws_subnet.this[count.index].id
  route_table_id = aws_route_table.this[0].id
}

resource "aws_vpc_endpoint" "gateway" {
  for_each = toset(var.network == null ? ["s3", "dynamodb"] : [])

  vpc_id            = aws_vpc.this[0].id
  vpc_endpoint_type = "Gateway"
  service_name      = "com.amazonaws.${local.region}.${each.value}"
  route_table_ids   = aws_route_table.this[*].id
  tags              = { Name = "${var.name}-${each.value}" }
}

resource "aws_security_group" "this" {
  #checkov:skip=CKV2_AWS_5:Attached to the machines by Batch.
  count = local.own

  name        = var.name
  description = "Machines of ${var.name}: they call AWS, nobody calls them."
  vpc_id      = aws_vpc.this[0].id
  tags        = { Name = var.name }
}

resource "aws_vpc_security_group_egress_rule" "https" {
  count = local.own

  security_group_id = aws_security_group.this[0].id
  description       = "HTTPS to AWS' endpoints, whose addresses change."
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

# Machines that share a matrix call each other, at ports that MPI chooses.
resource "aws_vpc_security_group_ingress_rule" "ranks" {
  #checkov:skip=CKV_AWS_25:From the group itself alone (referenced_security_group_id), which checkov takes for everybody.
  count = local.many ? local.own : 0

  security_group_id            = aws_security_group.this[0].id
  description                  = "Ranks of one job."
  referenced_security_group_id = aws_security_group.this[0].id
  ip_protocol                  = "tcp"
  from_port                    = 1024
  to_port                      = 65535
}

resource "aws_vpc_security_group_egress_rule" "ranks" {
  count = local.many ? local.own : 0

  security_group_id            = aws_security_group.this[0].id
  description                  = "Ranks of one job."
  referenced_security_group_id = aws_security_group.this[0].id
  ip_protocol                  = "tcp"
  from_port                    = 1024
  to_port                      = 65535
}
