from hypothesis import HealthCheck, Phase, settings

from model.machine import Machine

TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=3000,
    stateful_step_count=20,
    deadline=None,
    report_multiple_bugs=False,
    phases=[Phase.reuse, Phase.generate],
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
