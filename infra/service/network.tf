# Switch `network`: the functions in a network of their own, or in one that is given.

variable "network" {
  description = <<-TEXT
    The network that the functions run in; null for none: AWS' endpoints are then called over AWS' own network, by TLS.
    { cidr = "10.0.0.0/24" } makes one without any way to the internet: two zones, endpoints of S3 and DynamoDB (free) and of SQS
    and SNS ($29 a month in all, and $0.01 per GB). { subnet_ids, security_group_ids } takes subnets that are there: they
    must reach S3, DynamoDB, SQS and SNS. Leaving it takes Lambda up to 20 minutes.
  TEXT
  type = object({
    cidr               = optional(string)
    subnet_ids         = optional(set(string), [])
    security_group_ids = optional(set(string), [])
  })
  default = null

  validation {
    condition = var.network == null ? true : (
      var.network.cidr != null
      ? length(var.network.subnet_ids) + length(var.network.security_group_ids) == 0
      : length(var.network.subnet_ids) > 0 && length(var.network.security_group_ids) > 0
    )
    error_message = "network has either cidr, or subnet_ids and security_group_ids: functions in a network without a security group are refused by Lambda in the middle of the apply."
  }
  validation {
    condition     = try(var.network.cidr, null) == null ? true : can(regex("/(1[6-9]|2[0-4])$", var.network.cidr)) && can(cidrhost(var.network.cidr, 0))
    error_message = "network.cidr is an IPv4 network of /16 to /24, such as 10.0.0.0/24: each zone gets a quarter of it, and each function takes addresses there."
  }
}

module "network" {
  source = "../modules/network"
  count  = try(var.network.cidr, null) == null ? 0 : 1

  name       = var.name
  cidr       = var.network.cidr
  region     = local.region
  account_id = local.account_id
  services   = concat(["sqs", "sns"], var.huge == null ? [] : ["batch"])
}

locals {
  vpc = (
    var.network == null ? null :
    var.network.cidr == null ? { subnet_ids = var.network.subnet_ids, security_group_ids = var.network.security_group_ids } :
    module.network[0].functions
  )
}
