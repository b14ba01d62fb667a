"""WSDL 1.1: read, surveyed and compiled from files in memory. Read as `wsdl.compile`, `wsdl.survey`, `wsdl.complete`.

Nothing is ever fetched. The one module that knows zeep is `zeep_opinion`; nobody at run time imports it.
"""

from adapters.wsdl.compiler import compile  # noqa: A004 - read as `wsdl.compile` everywhere
from adapters.wsdl.encoded_form import EncodedForm
from adapters.wsdl.survey import Completed, Taken, complete, survey
from adapters.wsdl.values import (
    Addressing,
    Attachment,
    Header,
    Survey,
    SurveyedPort,
    Wsdl,
    WsdlOperation,
)

__all__ = [
    "Addressing",
    "Attachment",
    "Completed",
    "EncodedForm",
    "Header",
    "Survey",
    "SurveyedPort",
    "Taken",
    "Wsdl",
    "WsdlOperation",
    "compile",
    "complete",
    "survey",
]
