# The alarms, as a table. `of = [m, n]`: m datapoints of n, n always greater: the newest minute or two of every metric come
# late, and an alarm that needs them all may never ring. `pages`: part of the composite. Conventions: 60 s, missing data
# is no breach unless said, no averages of latency. An expression that divides by nothing has no datapoint: no breach.

locals {
  # What most of the alarms have in common.
  plain = {
    expression = null
    comparison = "GreaterThanThreshold"
    period     = 60
    missing    = "notBreaching"
    pages      = false
  }

  own_dimensions = { service = var.metrics_service }
  own = {
    for name in [
      "Acknowledged", "Duplicates", "EventsLost", "Forwarded", "Heartbeat", "JobsFailed", "JobsRefused", "JobsSucceeded", "MemoryUsed",
      "Misconfigured", "RESIDUAL", "ReceivedAgain", "Stale", "TerminalRecords",
      ] : name => {
      namespace  = var.metrics_namespace
      name       = name
      dimensions = local.own_dimensions
      stat       = name == "MemoryUsed" ? "Maximum" : "Sum"
    }
  }

  # Lambda stamps Errors, Invocations and Duration with the start of an invocation and sends them at its end (Lambda guide,
  # "Types of metrics", timestamps): a timeout is a point that is as old as the timeout. Such an alarm must look back further
  # than that, or it never sees it. An invocation of the large lane is one point in its visibility timeout: one is enough.
  of_late = { for role, f in var.functions : role => [f.timeout_s >= 600 ? 1 : 2, ceil(f.timeout_s / 60) + 5] }

  alarms = merge(
    local.alarms_of_stack,
    [for role, f in var.functions : local.alarms_of_function[role]]...
  )

  alarms_of_stack = merge(
    {
      dead-letters = merge(local.plain, { # 1
        why     = "A job needs a person: it was refused, or tried too often."
        do      = "matinv dlq list shows each one's reason; fix it, then matinv dlq redrive."
        runbook = "dead-letters"
        # A letter that somebody looks at is invisible for that long, and still there.
        metrics = {
          waiting   = merge(local.dead, { name = "ApproximateNumberOfMessagesVisible", stat = "Maximum" })
          looked_at = merge(local.dead, { name = "ApproximateNumberOfMessagesNotVisible", stat = "Maximum" })
        }
        expression = "waiting + looked_at"
        threshold  = 0
        of         = [1, 3]
      })

      died = merge(local.plain, {
        why       = "A job died of something that its submitter did not cause."
        do        = "matinv list --status FAILED, and read the error codes; then matinv dlq redrive."
        runbook   = "died"
        metrics   = { m = local.own.JobsFailed }
        threshold = 0
        of        = [1, 5]
        pages     = true
      })

      dead-letters-expire = merge(local.plain, {
        why     = "Dead letters are about to be deleted, and the jobs with them."
        do      = "matinv dlq redrive, or save them with matinv dlq list --output json, within three days."
        runbook = "dead-letters-expire"
        metrics = { m = merge(local.dead, { name = "ApproximateAgeOfOldestMessage", stat = "Maximum" }) }
        # The queue's age counts from the move, the message's life from its first sending.
        threshold = var.dead_letters.retention_s - var.dead_letters.source_retention_s - 3 * 86400
        of        = [1, 3]
      })

      failed-jobs = merge(local.plain, { # 3
        why        = "More than 5 % of the jobs fail for reasons that no submitter can fix; the functions themselves report success."
        do         = "matinv list --status FAILED, and group by error code."
        runbook    = "failed-jobs"
        metrics    = { failed = local.own.JobsFailed, succeeded = local.own.JobsSucceeded }
        expression = "100 * FILL(failed, 0) / (FILL(failed, 0) + FILL(succeeded, 0))"
        threshold  = 5
        of         = [2, 4]
        pages      = true
      })

      retried = merge(local.plain, { # 9
        why       = "Messages come for the third time or more: poison, before it is dead."
        do        = "Find error_code of the lines with receive_count 3 and more in the worker's log."
        runbook   = "retried"
        metrics   = { m = local.own.ReceivedAgain }
        threshold = 0
        of        = [2, 4]
      })

      memory = merge(local.plain, { # 12
        why       = "A worker used more than 90 % of its memory: the next size up is killed."
        do        = "Raise memory_mb of the lane; if the prediction was wrong, report the shape and dtype."
        runbook   = "memory"
        metrics   = { m = local.own.MemoryUsed }
        threshold = 100 # of what the memory gate may admit
        of        = [1, 5]
      })

      residual = merge(local.plain, { # 13
        why       = "An inverse failed its residual test twice: hardware or BLAS is broken. Nothing wrong was published."
        do        = "See whether one log stream (one worker) has all of them; deploy the previous image if it began with this one."
        runbook   = "residual"
        metrics   = { m = local.own.RESIDUAL }
        threshold = 0
        of        = [1, 5]
        pages     = true
      })

      misconfigured = merge(local.plain, {
        why       = "The table or a bucket is denied or missing: no job can go on. Batches are handed back whole, for 15 minutes to 12 hours."
        do        = "Find the ERROR line with hint in the worker's log: it names what is denied. Fix it; the jobs come back by themselves."
        runbook   = "misconfigured"
        metrics   = { m = local.own.Misconfigured }
        threshold = 0
        of        = [1, 5]
        pages     = true
      })

      events-lost = merge(local.plain, {
        why       = "Subscribers were not notified of jobs that ended: the topic denies the worker or does not answer. No job fails of it."
        do        = "Look at the topic's policy and the worker's role; who missed events can list the jobs."
        runbook   = "events-lost"
        metrics   = { m = local.own.EventsLost }
        threshold = 0
        of        = [3, 5]
      })

      duplicates = merge(local.plain, { # 14
        why     = "More than 20 % of the deliveries are of jobs that were done before: silent double work."
        do      = "Ask for a producer that sends everything twice; compare visibility timeout and Duration."
        runbook = "duplicates"
        metrics = { again = local.own.Duplicates, succeeded = local.own.JobsSucceeded, refused = local.own.JobsRefused }
        expression = join("", [
          "IF(FILL(succeeded, 0) + FILL(refused, 0) > 0, ",
          "100 * FILL(again, 0) / (FILL(succeeded, 0) + FILL(refused, 0)), ",
          "IF(FILL(again, 0) > 0, 100, 0))",
        ])
        threshold = 20
        of        = [3, 5]
      })

      loss = merge(local.plain, { # 15
        why     = "Messages were acknowledged without a record that says how their job ended: silent loss."
        do      = "Stop the mapping, then compare job ids in the worker's log with the table; see the runbook."
        runbook = "loss"
        metrics = {
          acknowledged = local.own.Acknowledged
          recorded     = local.own.TerminalRecords
          again        = local.own.Duplicates
          stale        = local.own.Stale
          forwarded    = local.own.Forwarded
        }
        expression = "ABS(FILL(acknowledged, 0) - (FILL(recorded, 0) + FILL(again, 0) + FILL(stale, 0) + FILL(forwarded, 0)))"
        threshold  = 0
        # All five are in one EMF document, so of one minute; but FILL makes the newest point 0 until it comes, and one message
        # is lost in one minute (CloudWatch guide, "Using metric math", FILL).
        of    = [1, 5]
        pages = true
      })

      table = merge(local.plain, { # 16
        why     = "DynamoDB throttles or fails: jobs are retried, and late."
        do      = "See which operation on the machinery dashboard; on-demand tables grow to twice their peak within 30 minutes."
        runbook = "table"
        # ThrottledRequests counts a BatchGetItem only if all of its keys were throttled; the events count each key.
        metrics = merge(
          {
            for name in ["ReadThrottleEvents", "WriteThrottleEvents"] : lower("table_${name}") => {
              namespace = "AWS/DynamoDB", name = name, dimensions = { TableName = var.table_name }, stat = "Sum"
            }
          },
          { # A throttled write of an index holds up the table; a throttled read is a person's list, that no job waits for.
            for index in var.index_names : "index_${replace(index, "-", "_")}" => {
              namespace  = "AWS/DynamoDB", name = "WriteThrottleEvents", stat = "Sum"
              dimensions = { TableName = var.table_name, GlobalSecondaryIndexName = index }
            }
          },
          {
            for operation in ["GetItem", "BatchGetItem", "PutItem", "BatchExecuteStatement", "Query"] : lower("errors_${operation}") => {
              namespace  = "AWS/DynamoDB", name = "SystemErrors", stat = "Sum"
              dimensions = { TableName = var.table_name, Operation = operation }
            }
          },
        )
        expression = "SUM(FILL(METRICS(), 0))"
        threshold  = 0
        of         = [3, 5]
      })

      canary = merge(local.plain, { # 17
        why     = "No heartbeat: a job with a known answer was not done rightly for half an hour, or nothing runs at all."
        do      = "Read the canary's log; then matinv doctor."
        runbook = "canary"
        metrics = { beats = local.own.Heartbeat }
        # A period without a beat after one with a beat: the periods before a first deploy do not count. Where no period has a
        # beat the state stays what it was: a canary that has died goes on ringing, and one that never beat never rings.
        expression = "IF(RUNNING_SUM(FILL(beats, 0)) > 0 AND FILL(beats, 0) == 0, 1, 0)"
        threshold  = 0
        period     = 900
        of         = [2, 3]
        missing    = "ignore"
        pages      = true
      })

      unheard = merge(local.plain, {
        why     = "SNS could not deliver to a subscriber of alarms or pages: somebody was not told, or not woken."
        do      = "See which topic on its CloudWatch page; have the subscriber's address mended, or name another one."
        runbook = "unheard"
        metrics = {
          for topic in ["alarms", "pages"] : topic => {
            namespace = "AWS/SNS", name = "NumberOfNotificationsFailed", dimensions = { TopicName = aws_sns_topic.this[topic].name }, stat = "Sum"
          }
        }
        expression = "FILL(alarms, 0) + FILL(pages, 0)"
        threshold  = 0
        of         = [1, 5]
        pages      = true
      })

      events-undelivered = merge(local.plain, {
        why       = "SNS could not deliver job events to a subscriber. No job fails of it."
        do        = "Mend the subscriber's address or its policy; it can list the jobs that it missed."
        runbook   = "events-undelivered"
        metrics   = { m = { namespace = "AWS/SNS", name = "NumberOfNotificationsFailed", dimensions = { TopicName = var.events_topic_name }, stat = "Sum" } }
        threshold = 0
        of        = [3, 5]
      })

      account = merge(local.plain, { # 18
        why     = "The account is near its Lambda concurrency: functions, these and others, are about to be throttled."
        do      = "Have the quota raised, or lower maximum_concurrency of the lanes."
        runbook = "account"
        metrics = {
          m = { namespace = "AWS/Lambda", name = "ClaimedAccountConcurrency", dimensions = {}, stat = "Maximum" }
        }
        threshold = 0.8 * var.account_concurrency
        of        = [5, 7]
      })
    },
    [for lane, queue in var.queues : local.alarms_of_queue[lane]]...
  )

  dead = { namespace = "AWS/SQS", dimensions = { QueueName = var.dead_letters.name } }

  of_queue = {
    for lane, queue in var.queues : lane => {
      for name in ["ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible", "ApproximateAgeOfOldestMessage"] :
      name => { namespace = "AWS/SQS", name = name, dimensions = { QueueName = queue.name }, stat = "Maximum" }
    }
  }

  alarms_of_queue = {
    for lane, queue in var.queues : lane => merge({
      "backlog-${lane}" = merge(local.plain, { # 7
        why       = "Jobs wait longer than promised."
        do        = "Raise maximum_concurrency of the lane, unless alarm stuck or throttles fires too."
        runbook   = "backlog"
        metrics   = { m = local.of_queue[lane].ApproximateAgeOfOldestMessage }
        threshold = queue.backlog_objective_s
        of        = [3, 5]
        pages     = true
      })

      "stuck-${lane}" = merge(local.plain, { # 8
        why     = "Messages wait and none is being worked on: ${queue.polls_itself ? "no machine comes" : "the mapping is disabled"}, the role broken or the image gone. Nothing errs, nothing moves."
        do      = queue.polls_itself ? "Look at the job queue's jobs: why do they not start, or how did they end?" : "Look at the mapping's state and last result."
        runbook = "stuck"
        metrics = {
          waiting = local.of_queue[lane].ApproximateNumberOfMessagesVisible
          working = local.of_queue[lane].ApproximateNumberOfMessagesNotVisible
        }
        expression = "IF(waiting > 0 AND working == 0, 1, 0)"
        threshold  = 0
        of         = [queue.start_min, queue.start_min + 2]
        pages      = true
      })

      "in-flight-${lane}" = merge(local.plain, { # 10
        why       = "90 % of the 120,000 messages that SQS lets be in flight: above that, receiving stops."
        do        = "Look for a worker that holds batches without finishing; lower batch_size or maximum_concurrency."
        runbook   = "in-flight"
        metrics   = { m = local.of_queue[lane].ApproximateNumberOfMessagesNotVisible }
        threshold = 108000
        of        = [3, 5]
      })
      }, queue.polls_itself ? {} : {
      "poller-${lane}" = merge(local.plain, { # 11
        why     = "Lambda's poller could not hand messages to the worker, or dropped them; messages that the worker handed back count as well."
        do      = "Compare with alarm retried: if that is quiet, it is the mapping, its role or the function's state."
        runbook = "poller"
        metrics = {
          for id, name in { failed = "FailedInvokeEventCount", dropped = "DroppedEventCount" } :
          id => { namespace = "AWS/Lambda", name = name, dimensions = { EventSourceMappingUUID = queue.mapping_id }, stat = "Sum" }
        }
        expression = "FILL(failed, 0) + FILL(dropped, 0)"
        threshold  = 0
        of         = [2, 4]
      })
    })
  }

  of_function = {
    for role, f in var.functions : role => {
      for name, stat in {
        Errors                      = "Sum", Invocations = "Sum", Throttles = "Sum", Duration = "p99", ConcurrentExecutions = "Maximum",
        DestinationDeliveryFailures = "Sum", AsyncEventsDropped = "Sum",
      } : name => { namespace = "AWS/Lambda", name = name, dimensions = { FunctionName = f.name }, stat = stat }
    }
  }

  alarms_of_function = {
    for role, f in var.functions : role => merge(
      {
        "errors-${role}" = merge(local.plain, { # 2
          why        = "Invocations crash, run out of memory or time out: whole batches come back, good jobs with them."
          do         = "Find ERROR and platform.report lines in the function's log."
          runbook    = "errors"
          metrics    = { errors = local.of_function[role].Errors, invocations = local.of_function[role].Invocations }
          expression = "100 * errors / invocations"
          threshold  = 1
          of         = local.of_late[role]
          pages      = true
        })

        "throttles-${role}" = merge(local.plain, { # 4
          why        = "Lambda refuses invocations for want of concurrency."
          do         = "See alarm account; leave at least the lanes' maximum_concurrency unreserved."
          runbook    = "throttles"
          metrics    = { m = local.of_function[role].Throttles }
          comparison = "GreaterThanOrEqualToThreshold"
          threshold  = 1
          of         = [2, 4]
        })

        "slow-${role}" = merge(local.plain, { # 5
          why       = "The slowest 1 % of the invocations need more than 83 % of the timeout: timeouts are next."
          do        = "Lower batch_size, or raise timeout_s or memory_mb."
          runbook   = "slow"
          metrics   = { m = local.of_function[role].Duration }
          threshold = floor(0.83 * 1000 * f.timeout_s)
          of        = local.of_late[role]
        })
      },
      f.maximum_concurrency == null ? {} : {
        "saturated-${role}" = merge(local.plain, { # 6
          why       = "More than 80 % of the workers that are allowed are busy: a backlog is next."
          do        = "Raise maximum_concurrency if the table and the account bear it."
          runbook   = "saturated"
          metrics   = { m = local.of_function[role].ConcurrentExecutions }
          threshold = 0.8 * f.maximum_concurrency
          of        = [5, 7]
        })
      },
      !f.has_destination ? {} : {
        "failed-calls-${role}" = merge(local.plain, {
          why       = "An asynchronous call failed for good: nobody has its answer."
          do        = "Its copy is in the results bucket, below aws/lambda/async; see why it failed, and send it again."
          runbook   = "failed-calls"
          metrics   = { m = local.of_function[role].AsyncEventsDropped }
          threshold = 0
          of        = [1, 5]
        })

        "undelivered-${role}" = merge(local.plain, {
          why       = "An asynchronous call failed for good and its copy did not reach the results bucket: it is lost."
          do        = "Check the function's role and the bucket's policy; the caller must send again."
          runbook   = "undelivered"
          metrics   = { m = local.of_function[role].DestinationDeliveryFailures }
          threshold = 0
          of        = [1, 5]
          pages     = true
        })
      },
    )
  }
}
