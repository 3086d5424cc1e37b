terraform {
  # The state's lock file (`use_lockfile`, in the backend file that bootstrap writes) needs 1.10; all else runs on 1.9.
  required_version = ">= 1.9, < 2"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }

  # terraform init -backend-config=<file that bootstrap wrote>
  backend "s3" {}
}

provider "aws" {
  default_tags {
    tags = merge(var.tags, { project = "matinv", stack = var.name })
  }
}
