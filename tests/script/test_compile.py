"""script/compile.py and its parts: what the generated functions look like, and where they say they are."""

import ast
import inspect
import traceback
from pathlib import Path

import pytest

from pysips.script import nodes, parse
from pysips.script.catalogue import Format, FunctionSpec, Parameter, Route
from pysips.script.compile import compile_script
from tests.effort import seconds_of

from .small import Run, Small, compiled, finish, logged


def test_only_routes_that_reach_a_wait_are_coroutines() -> None:
    script = compiled(
        "route[leaf] { later(1); } route[plain] { answer(1); } route[caller] { if (route(leaf)) exit; }"
        "route { route(plain); } route[by_name] { route($var(x)); } branch_route[b] { route(caller); }"
        "route[launches] { launch(later(1)); } route[begins] { async(later(1), plain); }"
    )
    assert {name for (_, name), waits in script.waits.items() if waits} == {"leaf", "caller", "by_name", "b", "begins"}
    for key, route in script.routes.items():
        assert inspect.iscoroutinefunction(route) is script.waits[key]


def test_traceback_names_file_line_and_route() -> None:
    text = "route {\n  route(relay);\n}\nroute[relay] {\n  $var(x) = 1;\n  broken();\n}\n"
    script = compiled(text, file="opensips.cfg")
    with pytest.raises(ZeroDivisionError) as error:
        script.routes["route", ""](Run())
    frames = [(frame.filename, frame.lineno, frame.name) for frame in traceback.extract_tb(error.tb)]
    assert frames[1:3] == [("opensips.cfg", 2, "route"), ("opensips.cfg", 6, "route[relay]")]


def test_a_call_over_several_lines_is_at_its_own_line() -> None:
    script = compiled("route {\n  if (answer(1)\n   && broken())\n  exit;\n}\n")
    with pytest.raises(ZeroDivisionError) as error:
        script.routes["route", ""](Run())
    assert traceback.extract_tb(error.tb)[1].lineno == 3


def test_what_an_included_file_brings_is_where_it_is_included(tmp_path: Path) -> None:
    (tmp_path / "inner.cfg").write_text("answer(1);\nbroken();\n", "utf-8")
    main = tmp_path / "main.cfg"
    main.write_text('route {\n  answer(2);\n  include_file "inner.cfg"\n}\n', "utf-8")
    with pytest.raises(ZeroDivisionError) as error:
        compiled(main.read_text("utf-8"), file=str(main)).routes["route", ""](Run())
    assert [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.tb)][1] == (str(main), 3)


def test_calls_are_plain_python() -> None:
    source = compiled('route { if (is_method("INVITE") && $rU == "bob") exit; }').source_of("route")
    assert "if (t := f_is_method(ctx, 'INVITE')) > 0 and" in source


def test_source_is_python_for_one_route_or_all() -> None:
    script = compiled("route { exit; } route[relay] { answer(1); } failure_route[x] { exit; }")
    assert script.source_of("relay") == script.source_of("route[relay]") == script.source_of("route", "relay")
    assert script.source_of("failure_route[x]").startswith("# failure_route[x]\ndef failure_route_x(ctx):")
    assert len(ast.parse(script.source_of()).body) == 3
    with pytest.raises(LookupError, match=r"failure_route\[x\]"):
        script.source_of("nope")


def test_unused_features_cost_nothing() -> None:
    source = compiled("route { answer(1); route(x); answer(2); } route[x] { exit; }").source_of()
    for word in ("rc", "depth", "params", "frames", "nested"):
        assert f"ctx.{word}" not in source
    assert "nested" not in source


def test_timers_events_and_calls() -> None:
    script = compiled(
        "timer_route[t, 30] { exit; } timer_route[t, 60] { exit; } event_route[E_X] { force_rport(); }"
        "onreply_route { exit; }"
    )
    assert [(timer.name, timer.seconds) for timer in script.timers] == [("t", 30), ("t 2", 60)]
    assert script.events == ["E_X"]
    assert ("onreply_route", "") in script.routes
    assert script.calls("force_rport") and not script.calls("answer")


def test_frames_follow_the_calls_where_a_script_asks() -> None:
    inner = 'route[a] { route(b); xlog("$route"); } route[b] { xlog("$(route[*])"); }'
    text = f'route {{ route(a); xlog("$route"); }} {inner}'
    assert logged(text) == ["route > route[a] > route[b]", "route[a]", "route"]


def test_frames_are_left_when_a_route_fails() -> None:
    script, ctx = compiled('route { broken(); } route[x] { xlog("$route"); }'), Run()
    with pytest.raises(ZeroDivisionError):
        script.routes["route", ""](ctx)
    assert ctx.frames == []


def test_drop_marks_and_stops_from_any_depth() -> None:
    ctx = Run()
    script = compiled('route { route(a); xlog("never"); } route[a] { if (answer(-1)) exit; else drop; }')
    assert script.routes["route", ""](ctx) == 0
    assert ctx.dropped and ctx.log == []


@pytest.mark.parametrize(
    ("condition", "log"),
    [
        ("answer(0) || answer(1)", []),
        ("!answer(0)", []),
        ("answer(-1) || answer(0)", []),
        ("answer(1) && answer(0)", []),
        ("!(answer(1) || answer(0))", ["no", "on"]),
        ("!(answer(-1) && answer(0))", ["yes", "on"]),
        ("$rU == 5 || answer(1)", ["no", "on"]),
        ("!($rU == 5 && answer(1))", ["no", "on"]),
        ("$rU == 5 && answer(0)", ["no", "on"]),
        ('$rU == "x" || $rU == 5 || answer(1)', ["no", "on"]),
        ("[answer(0)]", []),
        ("$var(x) = answer(0)", []),
        ("$var(x) = answer(-1)", ["yes", "on"]),
        ("exit", []),
        ("answer(1) && drop()", []),
        ("{ answer(-1); }", ["no", "on"]),
        ("{ if ($rU == \"bob\") exit; }", []),
    ],
)  # fmt: skip
def test_conditions(condition: str, log: list[str]) -> None:
    assert logged(f'route {{ if ({condition}) xlog("yes"); else xlog("no"); xlog("on"); }}') == log


def test_a_function_inside_a_value_stops_the_script() -> None:
    assert logged('route { $var(x) = 1 + answer(0); xlog("never"); }') == []
    assert logged('route { $ru = answer(0); xlog("never"); }') == []


def test_null_argument_makes_the_call_fail_without_running() -> None:
    calls = 'is_myself($rs); xlog("$rc"); is_myself("<$rs>"); xlog("$rc"); answer($rU); xlog("$rc");'
    assert logged(f"route {{ {calls} }}") == ["-1", "is_myself('<<null>>')", "1", "-1"]


def test_arguments_are_converted_once_or_at_the_call() -> None:
    ctx = Run()
    told: list[str] = []
    flags = 'setflag("one"); $var(f) = "two"; raiseflag($var(f)); raiseflag("$rU"); raiseflag("$ru");'
    script = compiled(f"route {{ {flags} }}", told)
    script.routes["route", ""](ctx)
    assert ctx.flags == {"ONE", "TWO", "BOB"}
    assert told == ["'sip:bob@example.com' is no flag at test.cfg:1"]


def test_regular_expressions_as_arguments() -> None:
    text = 'if (matches("4[0-9]{2}$")) xlog("a"); $var(r) = "^5"; if (!matches($var(r))) xlog("b");'
    assert logged(f"route {{ {text} }}") == ["a", "b"]
    assert logged('route { $var(r) = "("; if (matches($var(r))) xlog("a"); else xlog("b"); }') == ["b"]


def test_texts_are_printed_only_when_wanted() -> None:
    ctx, catalogue = Run(), Small()
    seen: list[Format] = []

    def keep(ctx: Run, text: Format) -> int:
        seen.append(text)
        return 1

    script = parse.parse('route { xlog("$rU"); }', "x.cfg")
    catalogue.functions["xlog"] = FunctionSpec("xlog", "core", keep, (Parameter("text", "format"),))
    compile_script(script, catalogue).routes["route", ""](ctx)
    ctx.values["rU"] = "later"
    assert seen[0](ctx) == "later"


def test_async_hands_over_and_ends_the_script() -> None:
    ctx = Run()
    script = compiled('route { async(later(5), resume, 3); xlog("never"); } route[resume] { xlog("resumed"); }')
    assert finish(script.routes["route", ""](ctx)) == 0
    ((what, call, resume, timeout),) = ctx.begun
    assert (what, resume, timeout) == ("async", script.routes["route", "resume"], 3)
    assert finish(call()) == 5


def test_launch_hands_over_and_goes_on() -> None:
    ctx = Run()
    launches = 'launch(later(5), report, "for $rU"); launch(answer(7)); xlog("on $rc");'
    script = compiled(f"route {{ {launches} }} route[report] {{ exit; }}")
    script.routes["route", ""](ctx)
    (_, first, resume, text), (_, second, nobody, nothing) = ctx.begun
    assert (finish(first()), resume, text) == (5, script.routes["route", "report"], "for bob")
    assert (second(), nobody, nothing) == (7, None, None)
    assert ctx.log == ["on 1"]


def test_assert_is_not_evaluated_unless_enabled() -> None:
    assert logged('route { assert(answer(0), "x"); xlog("$rc"); }') == ["-5"]
    false = 'assert($rU == "x", "not x"); xlog("never");'
    assert logged(f"enable_asserts=yes route {{ {false} }}") == ["assertion failed: not x"]
    assert logged('enable_asserts=yes route { assert($rU == "bob"); xlog("$rc"); }') == ["1"]


ERRORS = 'error_route { trip("again"); } '


@pytest.mark.parametrize(
    ("body", "log"),
    [
        ('route { trip("x"); xlog("on"); }', ["error route for x", "on"]),
        ('route { trip("stop"); xlog("on"); }', ["error route for stop"]),
        ('route { xlog("on"); trip("x"); }', ["on", "error route for x"]),
        ('route { if (trip("x") && answer(-1)) exit; }', ["error route for x"]),
        ('route { if (trip("x")) { xlog("in"); xlog("on"); } }', ["in", "error route for x", "on"]),
        ('route { route(a); xlog("on"); } route[a] { trip("x"); }', ["error route for x", "on"]),
        ('route { route(a); xlog("on"); } route[a] { trip("stop"); }', ["error route for stop"]),
        ('route { switch ($rU) { case "bob": trip("x"); } }', ["error route for x"]),
    ],
)
def test_error_route_runs_after_the_statement_that_met_an_error(body: str, log: list[str]) -> None:
    assert logged(ERRORS + body) == log


def test_code_looks_for_errors_only_where_there_is_an_error_route_and_never_inside_of_it() -> None:
    text = 'route { trip("x"); } onreply_route { trip("x"); } '
    assert "err" not in compiled(text).source_of()
    assert "ctx.err" in compiled(ERRORS + text).source_of("route")
    for where in ("error_route", "onreply_route"):
        assert "ctx.err" not in compiled(ERRORS + text).source_of(where)


def test_a_route_yields_the_code_of_its_last_statement_with_an_error_route_too() -> None:
    for last in ("answer(7);", "if (answer(1)) { answer(7); }", "$var(x) = 1; return(7);"):
        script = compiled(ERRORS + "route { " + last + " }")
        assert script.routes["route", ""](Run()) == 7


def test_script_trace_tells_each_statement_of_its_run() -> None:
    told: list[str] = []
    ctx = Run()
    script = compiled(
        'route { answer(1); script_trace(3, "$rU", "me"); route(x); $var(x) = 1; script_trace(); exit; }\n'
        "route[x] { if ($rU) answer(2); }",
        told,
    )
    script.routes["route", ""](ctx)
    assert told == [
        "[Script Trace][test.cfg:1][me][route x] -> (bob)",
        "[Script Trace][test.cfg:2][me][core if] -> (bob)",
        "[Script Trace][test.cfg:2][me][module answer] -> (bob)",
        "[Script Trace][test.cfg:1][me][assign =] -> (bob)",
        "[Script Trace][test.cfg:1][me][module script_trace] -> (bob)",
    ]
    told.clear()
    script.routes["route", "x"](Run())
    assert told == []


def test_the_old_order_of_branch_flags() -> None:
    assert logged('route { setbflag(2, "A"); setbflag("A", 2); setbflag(0, 5); setbflag(6); setbflag(B); }') == [
        "setbflag('A', 2)",
        "setbflag('A', 2)",
        "setbflag('5', 0)",
        "setbflag('6')",
        "setbflag('B')",
    ]


def test_two_runs_do_not_meet() -> None:
    script = compiled('route { for ($var(x) in $(avp(l)[*])) xlog("$var(x)"); }')
    first, second = Run(), Run()
    first.avps, second.avps = {"l": ["a"]}, {"l": ["b", "c"]}
    script.routes["route", ""](first)
    script.routes["route", ""](second)
    assert (first.log, second.log) == (["a"], ["c", "b"])


def test_names_of_routes_never_collide() -> None:
    routes = " ".join(f'route["{name}"] {{ xlog("{name}"); }}' for name in ("a-b", "a_b", "a.b"))
    assert logged(f'route {{ route("a-b"); route(a_b); route("a.b"); }} {routes}') == ["a-b", "a_b", "a.b"]


def test_a_script_that_was_not_checked_is_refused() -> None:
    with pytest.raises(LookupError, match="not checked"):
        compile_script(parse.parse("route { nope(); }", "x.cfg"), Small())


def test_deep_nesting() -> None:
    chain = " else ".join(f'if ($rU == "{number}") answer({number});' for number in range(300))
    assert logged(f'route {{ {chain} else xlog("end"); }}') == ["end"]
    many = " || ".join(f'$rU == "{number}"' for number in range(500))
    assert logged(f'route {{ if ({many}) exit; else xlog("end"); }}') == ["end"]


def test_walk_goes_in_the_order_of_the_script() -> None:
    block = parse.parse("route { a(); if (b()) c(); else d(e); }", "x.cfg").routes[0]
    assert [one.name for one in nodes.walk(block.body) if isinstance(one, nodes.Call)] == ["a", "b", "c", "d"]


def test_every_kind_of_route_has_a_word() -> None:
    assert sum(1 << bit for bit in range(9)) == Route.ANY


def test_a_thousand_lines_take_less_than_half_a_second() -> None:
    block = (
        '\tif (is_method("INVITE") && $rU == "bob") {\n\t\t$var(x) = $var(x) + 1;\n'
        '\t\txlog("L_INFO", "call of $rU to $ru");\n\t}\n'
    )
    routes = [f"route[r{number}] {{\n{block * 4}\troute(r{number + 1});\n}}\n" for number in range(54)]
    text = "".join(routes) + "route[r54] { exit; }\n"
    assert text.count("\n") >= 1000

    def work() -> None:
        parse.grammar.cache_clear()
        compiled(text)

    assert seconds_of(work, 0.5) < 0.5
