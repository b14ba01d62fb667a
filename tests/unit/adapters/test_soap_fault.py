from __future__ import annotations

import pytest
from lxml import etree

from adapters.soap_fault import MAX_CODE, MAX_MESSAGE, SoapFault, looks_like_fault, read_fault
from security.wsse import SoapVersion

SOAP11 = SoapVersion.SOAP11.namespace
SOAP12 = SoapVersion.SOAP12.namespace

TYPED_11 = f"""<s:Fault xmlns:s="{SOAP11}"><faultcode>s:Client.Business</faultcode><faultstring>refused</faultstring>
<detail><r:RegisterFault xmlns:r="urn:r"><r:Code>Closed.File</r:Code><r:Reason>Məlumat bağlıdır</r:Reason>
</r:RegisterFault></detail></s:Fault>"""

PLAIN_11 = f"""<soap:Fault xmlns:soap="{SOAP11}"><faultcode>soap:Server</faultcode>
<faultstring> down </faultstring></soap:Fault>"""

TYPED_12 = f"""<e:Fault xmlns:e="{SOAP12}" xmlns:m="urn:m"><e:Code><e:Value>e:Sender</e:Value>
<e:Subcode><e:Value>m:Lookup</e:Value><e:Subcode><e:Value>m:Pin</e:Value></e:Subcode></e:Subcode></e:Code>
<e:Reason><e:Text xml:lang="az">Belə şəxs yoxdur</e:Text><e:Text xml:lang="en">no such person</e:Text></e:Reason>
<e:Detail><m:UnknownSubject><m:Pin>7TESTX9</m:Pin></m:UnknownSubject></e:Detail></e:Fault>"""


def fault(text: str, version: SoapVersion) -> SoapFault:
    found = read_fault(text.encode(), version)
    assert found is not None
    return found


def test_typed_detail_is_more_particular_than_the_fault_code() -> None:
    found = fault(TYPED_11, SoapVersion.SOAP11)
    assert found.codes == ("Closed.File", "RegisterFault", "Client.Business")
    assert (found.code, found.message) == ("Closed.File", "Məlumat bağlıdır")


def test_fault_without_detail_has_its_code_and_string() -> None:
    assert fault(PLAIN_11, SoapVersion.SOAP11) == SoapFault(codes=("Server",), message="down")


def test_soap_12_subcodes_come_innermost_first_and_prefixes_do_not_matter() -> None:
    found = fault(TYPED_12, SoapVersion.SOAP12)
    assert found.codes == ("UnknownSubject", "Pin", "Lookup", "Sender")
    assert found.message == "Belə şəxs yoxdur"


def test_empty_fault_has_no_code_and_no_words() -> None:
    assert fault(f'<Fault xmlns="{SOAP12}"/>', SoapVersion.SOAP12) == SoapFault(codes=(), message=None)


def test_fault_of_the_other_version_is_no_fault() -> None:
    assert read_fault(PLAIN_11.encode(), SoapVersion.SOAP12) is None


def test_agencys_own_element_of_that_name_is_no_fault() -> None:
    content = b'<Fault xmlns="urn:agency"><faultcode>s:Server</faultcode></Fault>'
    assert looks_like_fault(content)
    assert read_fault(content, SoapVersion.SOAP11) is None


def test_endless_words_are_cut() -> None:
    parts = f"<faultcode>{'c' * 1000}</faultcode><faultstring>{'ə' * 9000}</faultstring>"
    found = fault(f'<s:Fault xmlns:s="{SOAP11}">{parts}</s:Fault>', SoapVersion.SOAP11)
    assert (len(found.code or ""), len(found.message or "")) == (MAX_CODE, MAX_MESSAGE)


@pytest.mark.parametrize(
    ("content", "looks"),
    [
        (b'<s:Fault xmlns:s="x">', True),
        (b"<Fault>", True),
        (b"<Fault/>", True),
        (b"<s:Faulty>", False),
        (b"<s:GetPersonByPinResponse><Fault/>", False),
        (b"<Fault.x>", False),
        (b"<My-Fault>", False),
        (b"", False),
    ],
)
def test_first_look_sees_the_first_name_only(content: bytes, *, looks: bool) -> None:
    assert looks_like_fault(content) is looks


@pytest.mark.parametrize("text", [TYPED_11, PLAIN_11, TYPED_12])
def test_first_look_holds_for_the_canonical_form(text: str) -> None:
    assert looks_like_fault(etree.tostring(etree.fromstring(text), method="c14n", exclusive=True))
