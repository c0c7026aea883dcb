"""One line a check, a closing line, an exit code."""

import traceback

_passed = 0
_failed = 0


def check(name, run):
    """Runs one check: it passes by returning, and may return a remark."""
    global _passed, _failed
    try:
        remark = run()
        _passed += 1
        print(f"ok   {name}" + (f": {remark}" if isinstance(remark, str) else ""), flush=True)
    except Exception as error:  # a check that fails must not stop the others
        _failed += 1
        lines = str(error).strip().splitlines() or [""]
        print(f"FAIL {name}: {type(error).__name__}: {lines[0][:300]}", flush=True)
        if not isinstance(error, AssertionError):
            print("     " + traceback.format_exc().strip().splitlines()[-3].strip()[:200], flush=True)


def close():
    print(f"{_passed} passed, {_failed} failed")
    return 1 if _failed else 0
