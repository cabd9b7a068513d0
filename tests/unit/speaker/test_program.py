from structlog import testing

from frr_adapter import errors
from speaker import __main__ as program


def test_a_task_that_ended_ends_the_program_with_a_line(monkeypatch):
    async def run(_chosen, _forked):
        raise ExceptionGroup("tasks", [errors.DutyError("watch Service: the task has ended")])

    monkeypatch.setattr(program, "run", run)
    monkeypatch.setattr(program.forking, "fork", lambda _name, _work: None)
    monkeypatch.setattr(program.logs, "configure", lambda _level: None)
    monkeypatch.setattr(program.sys, "argv", ["speaker", "--node-name", "n1"])
    with testing.capture_logs() as lines:
        assert program.main() == 1
    assert [(line["event"], line["log_level"], line["exc_info"]) for line in lines] == [
        ("a task failed; the speaker ends, to be started again whole", "error", True)
    ]
