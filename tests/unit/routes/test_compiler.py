"""`routes.yaml` into a table: every mistake with its line, and what a route without mistakes becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from esb.errors import ContractViolation, RoutesInvalid
from esb.model import CallerName, RouteId, Severity
from esb.routes import compiler
from esb.routes.deployment import REPLY_FIELD, ROUTE_PATTERN
from esb.routes.table import CallRoute, GatherRoute, difference
from tests.support.deployment import CATALOGUE, DEPLOYMENT, table_of, write


def findings_of(folder: Path, text: str) -> list[str]:
    path = write(folder, text)
    return [str(finding).removeprefix(f"{path}:") for finding in compiler.check(path, CATALOGUE)]


def changed(old: str, new: str) -> str:
    """The deployment with one change; that the change hits something is checked, too."""
    assert DEPLOYMENT.count(old) >= 1, old
    return DEPLOYMENT.replace(old, new, 1)


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def test_the_deployment_of_these_tests_has_no_findings(tmp_path: Path) -> None:
    assert findings_of(tmp_path, DEPLOYMENT) == []


@pytest.mark.parametrize(
    ("old", "new", "at", "message"),
    [
        # names
        (
            "adapter: din-reg",
            "adapter: din-rag",
            "adapter: din-rag",
            "error: routes.person.identity.adapter: no adapter 'din-rag' (did you mean 'din-reg'?)",
        ),
        (
            "operation: GetPersonByPin",
            "operation: GetPersonByPim",
            "operation: GetPersonByPim",
            (
                "error: routes.person.identity.operation: din-reg has no operation 'GetPersonByPim'"
                " (did you mean 'GetPersonByPin'?)"
            ),
        ),
        (
            "  Pin: subject.value",
            "  Pinn: subject.value",
            "Pinn:",
            "error: routes.person.identity.request: GetPersonByPin has no request field 'Pinn' (did you mean 'Pin'?)",
        ),
        (
            "      ConsentRef: parameters.consent_ref\n",
            "",
            "    request:\n      Pin: subject.value\n      AsOf",
            "error: routes.credit.obligations.request: GetCredits requires ConsentRef",
        ),
        (
            "      credits: Credits.Credit\n    idempotent: true\n",
            "      credits: Credits.Credit\n",
            "gather:",
            (
                "error: routes.person.overview.gather.credits: credit.obligations is not idempotent,"
                " so it can only be asked on its own"
            ),
        ),
        (
            "    idempotent: true\n    retry",
            "    idempotnet: true\n    retry",
            "idempotnet",
            "error: routes.person.identity: unknown key 'idempotnet' (did you mean 'idempotent'?)",
        ),
        (
            "routes:\n  person",
            "rutes: {}\nroutes:\n  person",
            "rutes",
            "error: unknown key 'rutes' (did you mean 'routes'?)",
        ),
        # expressions
        (
            "surname: Person.Surname",
            "surname: Person.Surnam",
            "surname: Person.Surnam",
            (
                "error: routes.person.identity.reply.surname: the agency's answer has no 'Surnam':"
                " the contract has no such field (did you mean 'Surname'?)"
            ),
        ),
        (
            "{region: Region,",
            "{region: Regoin,",
            "address:",
            (
                "error: routes.person.identity.reply.address: the agency's answer has no 'Regoin':"
                " the contract has no such field (did you mean 'Region'?)"
            ),
        ),
        (
            "Person.PreviousAddress[*].Rayon",
            "Person.PreviousAddress.Rayon",
            "moved_from:",
            (
                "error: routes.person.identity.reply.moved_from: the agency's answer has no 'Rayon':"
                " what it is read from is a list: write […]"
            ),
        ),
        (
            "surname: Person.Surname",
            "surname: Person.Surname.First",
            "surname:",
            (
                "error: routes.person.identity.reply.surname: the agency's answer has no 'First':"
                " what it is read from is a plain value"
            ),
        ),
        (
            "Person.PreviousAddress[*].Rayon",
            "Person.Surname[*].Rayon",
            "moved_from:",
            (
                "error: routes.person.identity.reply.moved_from: the agency's answer has no '[…]':"
                " what it is read from is not a list"
            ),
        ),
        (
            "ResultCode == '404'",
            "ResultCod == '404'",
            "not_found:",
            (
                "error: routes.person.identity.not_found: the agency's answer has no 'ResultCod':"
                " the contract has no such field (did you mean 'ResultCode'?)"
            ),
        ),
        (
            "ResultCode == '404'",
            "ResultCode = '404'",
            "not_found:",
            "error: routes.person.identity.not_found: not JMESPath at column 28: Unknown token '='",
        ),
        (
            "ResultCode == '404'",
            "ResultCode",
            "not_found:",
            (
                "error: routes.person.identity.not_found: ResultCode is no condition:"
                " compare it, as in ResultCode == '404', or ask contains(…)"
            ),
        ),
        (
            "ResultCode == '404'",
            "Person.Name",
            "not_found:",
            (
                "error: routes.person.identity.not_found: Person.Name is no condition:"
                " compare it, as in ResultCode == '404', or ask contains(…)"
            ),
        ),
        (
            "ResultCode == '404'",
            "'404'",
            "not_found:",
            (
                "error: routes.person.identity.not_found: the literal '404' is no condition:"
                " compare it, as in ResultCode == '404', or ask contains(…)"
            ),
        ),
        (
            "ResultCode == '404'",
            "length(ResultCode)",
            "not_found:",
            (
                "error: routes.person.identity.not_found: length() is no condition:"
                " compare it, as in ResultCode == '404', or ask contains(…)"
            ),
        ),
        (
            "ResultCode == '404'",
            "ResultCode == '404' || Person",
            "not_found:",
            (
                "error: routes.person.identity.not_found: Person is no condition:"
                " compare it, as in ResultCode == '404', or ask contains(…)"
            ),
        ),
        (
            "ResultCode == '404'",
            "Person.PreviousAddress[?Rayon == 'x']",
            "not_found:",
            (
                "error: routes.person.identity.not_found: this expression is no condition:"
                " compare it, as in ResultCode == '404', or ask contains(…)"
            ),
        ),
        (
            "ResultCode == '404'",
            "ResultCode == `404`",
            "not_found:",
            ("error: routes.person.identity.not_found: ResultCode is string, never `404`: write '404'"),
        ),
        (
            "ResultCode == '404'",
            "!(ResultCode == `404`)",
            "not_found:",
            ("error: routes.person.identity.not_found: ResultCode is string, never `404`: write '404'"),
        ),
        (
            "ResultCode == '404'",
            "length(Person.PreviousAddress) == '0'",
            "not_found:",
            ("error: routes.person.identity.not_found: length() is number, never '0': write `0`"),
        ),
        (
            "surname: Person.Surname",
            "surname: Person..Surname",
            "surname:",
            "error: routes.person.identity.reply.surname: not JMESPath at column 23: unexpected '.'",
        ),
        (
            "surname: Person.Surname",
            "surname: |-\n        Person\n          .Surname..x",
            ".Surname..x",
            "error: routes.person.identity.reply.surname: not JMESPath at column 12: unexpected '.'",
        ),
        (
            "surname: Person.Surname",
            "surname: lenght(Person.Surname)",
            "surname:",
            (
                "error: routes.person.identity.reply.surname: not JMESPath at column 16: no function lenght()"
                " (did you mean 'length'?)"
            ),
        ),
        (
            "  Pin: subject.value",
            "  Pin: subjct.value",
            "Pin: subjct",
            (
                "error: routes.person.identity.request.Pin: the request has no 'subjct':"
                " the contract has no such field (did you mean 'subject'?)"
            ),
        ),
        (
            "  Pin: subject.value",
            "  Pin: subject.valeu",
            "Pin: subject.valeu",
            (
                "error: routes.person.identity.request.Pin: the request has no 'valeu':"
                " the contract has no such field (did you mean 'value'?)"
            ),
        ),
        # values
        (
            "audience: [citizen]",
            "audience: [citizens]",
            "citizens",
            (
                "error: routes.person.identity.audience[0]: 'citizens' is not one of"
                " unregistered, citizen, entrepreneur, non-resident, agency (did you mean 'citizen'?)"
            ),
        ),
        (
            '    legal_basis: "Cabinet decision 191/2011"\n    adapter',
            "    adapter",
            "person.identity:",
            "error: routes.person.identity has no 'legal_basis', which is required",
        ),
        (
            'title: {az: "Şəxsiyyət", en: "Identity"}',
            'title: {az: "Şəxsiyyət"}',
            'title: {az: "Şəxsiyyət"}',
            "error: routes.person.identity.title has no 'en', which is required",
        ),
        (
            "timeout_s: 5",
            "timeout_s: 500",
            "timeout_s",
            "error: routes.person.identity.timeout_s must be from 0.05 to 120, not 500",
        ),
        (
            "attempts: 3",
            "attempts: 0",
            "attempts: 0",
            "error: routes.person.identity.retry.attempts must be from 1 to 10, not 0",
        ),
        (
            "surname: Person.Surname",
            "Surname: Person.Surname",
            "Surname: Person",
            f"error: routes.person.identity.reply: the name 'Surname' does not have the form {REPLY_FIELD}",
        ),
        # gathers
        (
            "{identity: person.identity,",
            "{identity: person.identiti,",
            "gather:",
            (
                "error: routes.person.overview.gather.identity: no route 'person.identiti'"
                " (did you mean 'person.identity'?)"
            ),
        ),
        (
            "{identity: person.identity,",
            "{identity: person.overview,",
            "gather:",
            "error: routes.person.overview.gather.identity: the route gathers itself",
        ),
        (
            "    require: any\n",
            "",
            "gather:",
            "error: routes.person.overview has no 'require': say whether all must answer, or any",
        ),
        (
            "    require: any\n",
            "    require: any\n    timeout_s: 5\n",
            "timeout_s: 5\n#",
            "error: routes.person.overview.timeout_s is for a call; this route is a gather",
        ),
        (
            "    timeout_s: 5\n",
            "    require: all\n    timeout_s: 5\n",
            "require: all",
            "error: routes.person.identity: require is for a gather; this route is a call",
        ),
        # access
        (
            "caller: portal",
            "caller: portla",
            "portla",
            "error: grants[0].caller: no caller 'portla' (did you mean 'portal'?)",
        ),
        (
            "credit.obligations]",
            "credit.obligation]",
            "credit.obligation]",
            "error: grants[0].routes: no route 'credit.obligation' (did you mean 'credit.obligations'?)",
        ),
        (
            '"person.*"',
            '"persn.*"',
            '"persn.*"',
            "error: grants[0].routes: no route 'persn.*'",
        ),
        (
            '"person.*"',
            '"*.identity"',
            '"*.identity"',
            f"error: grants[0].routes[0]: '*.identity' does not have the form {ROUTE_PATTERN}",
        ),
    ],
)
def test_each_mistake_is_told_with_its_line_and_what_was_meant(
    tmp_path: Path, old: str, new: str, at: str, message: str
) -> None:
    text = changed(old, new)
    line = line_of(text + "#", at)
    assert f"{line}: {message}" in findings_of(tmp_path, text)
    with pytest.raises(RoutesInvalid):
        table_of(tmp_path, text)


def test_a_gather_of_gathers_is_refused(tmp_path: Path) -> None:
    text = DEPLOYMENT + (
        '  person.all:\n    title: {az: "x", en: "x"}\n    audience: [citizen]\n    legal_basis: "x"\n'
        "    gather: {overview: person.overview}\n    require: all\n"
    )
    line = line_of(text, "gather: {overview")
    wanted = f"{line}: error: routes.person.all.gather.overview: person.overview is a gather; a gather asks calls only"
    assert findings_of(tmp_path, text) == [wanted]


def test_members_without_a_common_subject_are_refused(tmp_path: Path) -> None:
    text = changed("    adapter: mkr", "    subject_schemes: [VOEN]\n    adapter: mkr")
    line = line_of(text, "gather:")
    wanted = f"{line}: error: routes.person.overview.gather: the members have no subject_schemes in common"
    assert findings_of(tmp_path, text) == [wanted]


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = (
        changed("adapter: din-reg", "adapter: nobody")
        .replace("surname: Person.Surname", "surname: 'Person.'")
        .replace("adapter: mkr", "adapterr: mkr")
        .replace("caller: portal", "caller: nobody")
    )
    messages = "\n".join(findings_of(tmp_path, text))
    for words in ("no adapter 'nobody'", "not JMESPath", "unknown key 'adapterr'", "no caller 'nobody'"):
        assert words in messages
    assert "routes.credit.obligations: has no 'adapter', which a call requires" in messages


@pytest.mark.parametrize(
    ("old", "new", "at", "message"),
    [
        (
            "    idempotent: true\n  person.overview",
            "    retry: {attempts: 2}\n  person.overview",
            "retry: {attempts: 2}",
            (
                "warning: routes.credit.obligations.retry: not idempotent, so only a call of which nothing was sent"
                " is tried again"
            ),
        ),
        (
            "timeout_s: 5",
            "timeout_s: 5\n    deadline_s: 2",
            "deadline_s",
            "warning: routes.person.identity.deadline_s is shorter than timeout_s (5), which it cuts",
        ),
        (
            "audience: [citizen]",
            "audience: [unregistered]",
            "audience: [unregistered]",
            "warning: routes.person.identity.audience: an unregistered user would be told about a person",
        ),
        ("grants:", "  idle:\n    title: {az: a, en: b}\ngrants:", "idle", "hint: callers.idle has no grant"),
        (", credit.obligations]", "]", "credit.obligations:", "hint: routes.credit.obligations is granted to nobody"),
    ],
)
def test_what_works_and_is_odd_is_told_and_still_loads(
    tmp_path: Path, old: str, new: str, at: str, message: str
) -> None:
    text = changed(old, new)
    if "retry: {attempts: 2}" in new:  # what must not be repeated cannot be gathered
        text = text.replace(", credits: credit.obligations}", "}")
    assert f"{line_of(text, at)}: {message}" in findings_of(tmp_path, text)
    assert table_of(tmp_path, text).routes


def test_lint_and_run_agree_on_every_line_left_out(tmp_path: Path) -> None:
    lines = DEPLOYMENT.splitlines(keepends=True)
    for left_out in range(len(lines)):
        path = write(tmp_path, "".join(lines[:left_out] + lines[left_out + 1 :]))
        errors = [finding for finding in compiler.check(path, CATALOGUE) if finding.severity is Severity.ERROR]
        if not errors:
            assert compiler.load(path, CATALOGUE).routes
            continue
        with pytest.raises(RoutesInvalid) as refused:
            compiler.load(path, CATALOGUE)
        assert set(errors) <= set(refused.value.findings)


@pytest.mark.parametrize("text", ["", "[]", "x", "routes: []\ncallers: 1\n", "routes: {a: 1, b: }\ncallers: {}\n"])
def test_a_file_of_another_shape_is_told_and_never_crashes(tmp_path: Path, text: str) -> None:
    assert findings_of(tmp_path, text)
    with pytest.raises(RoutesInvalid):
        table_of(tmp_path, text)


def test_a_missing_file_is_a_finding(tmp_path: Path) -> None:
    with pytest.raises(RoutesInvalid, match="cannot be read"):
        compiler.load(tmp_path / "missing.yaml", CATALOGUE)


# --- what a route becomes --------------------------------------------------------------------------------


def identity_of(folder: Path) -> CallRoute:
    route = table_of(folder).routes[RouteId("person.identity")]
    assert isinstance(route, CallRoute)
    return route


def credit_of(folder: Path) -> CallRoute:
    route = table_of(folder).routes[RouteId("credit.obligations")]
    assert isinstance(route, CallRoute)
    return route


def test_a_call_translates_both_ways(tmp_path: Path) -> None:
    route = identity_of(tmp_path)
    assert route.build_request({"subject": {"scheme": "FIN", "value": "7TESTX1"}}) == {"Pin": "7TESTX1"}
    answer = {
        "ResultCode": "000",
        "Person": {
            "Surname": "Əliyeva",
            "RegisteredAddress": {"Region": "AZ-BA"},
            "PreviousAddress": [{"Rayon": "Xətai"}, {"Rayon": "Yasamal"}],
        },
    }
    assert route.build_reply(answer) == {
        "surname": "Əliyeva",
        "patronymic": None,
        "address": {"region": "AZ-BA", "street": None},
        "moved_from": ["Xətai", "Yasamal"],
    }
    assert list(route.build_reply({})) == ["surname", "patronymic", "address", "moved_from"]
    assert route.says_not_found({"ResultCode": "404"})
    assert not route.says_not_found(answer)


def test_an_optional_field_that_the_caller_leaves_out_is_left_out(tmp_path: Path) -> None:
    request = {"subject": {"scheme": "FIN", "value": "7TESTX1"}, "parameters": {"consent_ref": "R-1", "as_of": None}}
    assert credit_of(tmp_path).build_request(request) == {"Pin": "7TESTX1", "ConsentRef": "R-1"}


def test_dotted_request_fields_become_nested_values(tmp_path: Path) -> None:
    text = changed("    adapter: mkr\n    operation: GetCredits", "    adapter: notary\n    operation: Register")
    text = text.replace("      Pin: subject.value\n      ConsentRef", "      Act.Pin: subject.value\n      Act.Number")
    text = text.replace("      AsOf: parameters.as_of\n", "").replace("credits: Credits.Credit", "number: RegisterNo")
    route = table_of(tmp_path, text).routes[RouteId("credit.obligations")]
    assert isinstance(route, CallRoute)
    request = {"subject": {"value": "7TESTX1"}, "parameters": {"consent_ref": "9"}}
    assert route.build_request(request) == {"Act": {"Pin": "7TESTX1", "Number": "9"}}
    assert route.pointer_of("Register/Act/Number") == "/parameters/consent_ref"
    assert route.pointer_of("Act.Pin") == "/subject/value"


def test_two_mappings_of_one_field_are_refused(tmp_path: Path) -> None:
    text = changed("    adapter: mkr\n    operation: GetCredits", "    adapter: notary\n    operation: Register")
    text = text.replace("      Pin: subject.value\n      ConsentRef", "      Act.Pin: subject.value\n      Act")
    assert any("Act and Act.Pin fill the same field" in line for line in findings_of(tmp_path, text))


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("Pin", "/subject/value"),
        ("/Pin", "/subject/value"),
        ("GetCredits/Pin", "/subject/value"),
        ("ConsentRef[1]", "/parameters/consent_ref"),
        ("Unknown", None),
        ("", None),
    ],
)
def test_a_contract_field_is_told_in_the_callers_terms(tmp_path: Path, path: str, pointer: str | None) -> None:
    assert credit_of(tmp_path).pointer_of(path) == pointer


def test_request_schema_follows_the_contract(tmp_path: Path) -> None:
    route = credit_of(tmp_path)
    assert (route.parameters, route.subject_schemes) == (("as_of", "consent_ref"), ("FIN",))
    route.validator.validate(route.request_sample)
    subject = {"scheme": "FIN", "value": "7TESTX1"}
    good = {"subject": subject, "parameters": {"consent_ref": "R-1"}, "purpose": None, "user": subject}
    route.validator.validate(good)
    for change, pointer in (
        ({"subject": {"scheme": "FIN", "value": "7TESTXO"}}, "/subject/value"),
        ({"subject": {"scheme": "VOEN", "value": "7TESTX1"}}, "/subject/scheme"),
        ({"subject": None}, "/subject"),
        ({"parameters": {}}, "/parameters/consent_ref"),
        ({"parameters": {"consent_ref": "R-1", "consent": 1}}, "/parameters/consent"),
        ({"parameters": {"consent_ref": 7}}, "/parameters/consent_ref"),
        ({"purpose": 1}, "/purpose"),
        ({"purpose": "x" * 600}, "/purpose"),
        ({"user": {"scheme": "FIN", "value": "7TESTX1", "strength": "pinky"}}, "/user/strength"),
        ({"bogus": 1}, "/bogus"),
    ):
        with pytest.raises(ContractViolation) as raised:
            route.validator.validate({**good, **change})
        assert raised.value.path == pointer


def test_reply_schema_follows_the_mapping_and_the_contract(tmp_path: Path) -> None:
    schema = identity_of(tmp_path).reply_schema
    assert schema["required"] == ["surname", "patronymic", "address", "moved_from"]
    assert schema["properties"]["patronymic"] == {"type": ["string", "null"]}
    assert schema["properties"]["address"]["properties"] == {
        "region": {"type": "string"},
        "street": {"type": ["string", "null"]},
    }
    assert schema["properties"]["moved_from"] == {"type": ["array", "null"], "items": {"type": "string"}}


def test_a_gather_demands_what_its_members_demand(tmp_path: Path) -> None:
    route = table_of(tmp_path).routes[RouteId("person.overview")]
    assert isinstance(route, GatherRoute)
    assert (route.kind, route.require, route.idempotent) == ("gather", "any", True)
    assert list(route.members) == ["identity", "credits"]
    assert route.parameters == ("as_of", "consent_ref")
    assert route.request_schema["properties"]["parameters"]["required"] == ["consent_ref"]
    assert route.request_schema["properties"]["subject"]["properties"]["value"]["pattern"] == "^[0-9A-HJ-NP-Z]{7}$"
    assert "required" not in route.reply_schema
    assert route.reply_schema["properties"]["identity"]["type"] == ["object", "null"]
    route.validator.validate(route.request_sample)


def test_a_member_that_asks_about_nobody_leaves_the_others_their_schemes(tmp_path: Path) -> None:
    text = changed("    adapter: din-reg", "    subject_schemes: [VPIN, FIN]\n    adapter: din-reg")
    text = text.replace("      Pin: subject.value\n      ConsentRef", "      Pin: parameters.pin\n      ConsentRef")
    routes = table_of(tmp_path, text).routes
    assert routes[RouteId("credit.obligations")].subject_schemes == ()
    assert routes[RouteId("person.overview")].subject_schemes == ("VPIN", "FIN")
    assert "subject" not in routes[RouteId("credit.obligations")].request_sample
    assert routes[RouteId("credit.obligations")].request_schema["required"] == ["parameters"]


def test_without_numbers_of_its_own_a_route_has_safe_ones(tmp_path: Path) -> None:
    credit, identity = credit_of(tmp_path), identity_of(tmp_path)
    assert (credit.timeout_s, credit.deadline_s, credit.retry.attempts) == (5.0, 5.0, 1)
    assert identity.deadline_s == pytest.approx(3 * 5 + 0.2 + 0.4)
    assert not credit.signed_requests
    assert credit.max_body_bytes == 5 * 1024 * 1024


def test_grants_and_callers_are_as_written(tmp_path: Path) -> None:
    table = table_of(tmp_path)
    assert table.callers[CallerName("portal")].title.en == "Portal"
    assert table.callers[CallerName("portal")].rate_per_s is None
    assert table.grants.permits("portal", "person.identity", None)
    assert not table.grants.permits("nobody", "person.identity", None)
    limited = table_of(tmp_path, changed("grants:", "    limits: {rate_per_s: 5}\ngrants:"))
    assert limited.callers[CallerName("portal")].rate_per_s == 5.0


def test_difference_names_what_a_reload_changes(tmp_path: Path) -> None:
    before = table_of(tmp_path)
    assert not difference(before, table_of(tmp_path, DEPLOYMENT + "\n# a comment\n"))
    assert before.digest == table_of(tmp_path, DEPLOYMENT + "\n# a comment\n").digest
    slower = difference(before, table_of(tmp_path, changed("timeout_s: 5", "timeout_s: 6")))
    # The gather changes with its member.
    assert slower.changed == ("person.identity", "person.overview")
    renamed = changed("  credit.obligations:", "  credit.debts:").replace("credit.obligations", "credit.debts")
    other = difference(before, table_of(tmp_path, renamed))
    assert (other.added, other.removed) == (("credit.debts",), ("credit.obligations",))
    assert other.changed == ("person.overview",)
    wider = difference(before, table_of(tmp_path, changed('"person.*"', "person.identity, person.overview")))
    assert wider.access
    assert not wider.changed


def test_two_thousand_routes_compile_in_work_that_grows_with_their_number(tmp_path: Path) -> None:
    head, _, rest = DEPLOYMENT.partition("routes:\n")
    route = rest[: rest.index("  credit.obligations:")]
    head = head.replace('"person.*", credit.obligations', '"person.*"')
    copies = "".join(route.replace("person.identity", f"person.identity-{number}") for number in range(2000))
    table = table_of(tmp_path, f"{head}routes:\n{copies}")
    assert len(table.routes) == 2000
    # What all share is compiled once: the contract's schemas and the validator of the request.
    assert len({id(route.validator) for route in table.routes.values()}) == 1


@pytest.mark.parametrize(
    "condition",
    [
        "ResultCode == '404' || ResultCode == '405'",
        "!Person",
        "ResultCode && starts_with(ResultCode, '4')",
        "Person == `null`",
        "length(Person.PreviousAddress) == `0`",
        "contains(['404', '405'], ResultCode)",
    ],
)
def test_a_condition_of_any_form_is_taken(tmp_path: Path, condition: str) -> None:
    text = changed("\"ResultCode == '404'\"", f'"{condition}"')
    assert findings_of(tmp_path, text) == []


def test_a_caller_of_a_gather_who_lacks_a_grant_for_a_member_is_told(tmp_path: Path) -> None:
    text = changed('["person.*", credit.obligations]', "[person.overview, person.identity]")
    line = line_of(text, "person.overview")
    assert [finding for finding in findings_of(tmp_path, text) if "hint" not in finding] == [
        (
            f"{line}: warning: the gather person.overview opens credit.obligations to portal, which has no grant for"
            " credit.obligations: grant that too, or do not grant person.overview"
        )
    ]


def test_grants_of_one_caller_count_together_for_the_members_of_a_gather(tmp_path: Path) -> None:
    text = changed(
        '{caller: portal, routes: ["person.*", credit.obligations]}',
        '{caller: portal, routes: ["person.*"]}\n  - {caller: portal, routes: ["credit.*"], purposes: [trial]}',
    )
    assert findings_of(tmp_path, text) == []
