# The stack `matinv`, beside its defaults (../service/variables.tf says what there is). scripts/deploy reads this file, by
# hand and from the workflow, so that no deploy takes away what another one had set. A second stack has a file of its name.
#
# alarm_subscribers   = [{ protocol = "email", endpoint = "team@example.com" }]
# page_subscribers    = [{ protocol = "https", endpoint = "https://pager.example.com/in" }]
# account_concurrency = 1000
# large               = null # a new account takes no function above 3,008 MB, until the quota is raised
