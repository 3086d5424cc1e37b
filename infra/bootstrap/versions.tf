terraform {
  required_version = ">= 1.9, < 2"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }

  # Its own state is a file beside it: the bucket for states does not exist before the first apply. Keep it, or move it
  # there afterwards (README, "Once per account").
}

provider "aws" {
  default_tags {
    tags = merge(var.tags, { project = "matinv", stack = "${var.name}-bootstrap" })
  }
}
