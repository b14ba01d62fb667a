// Two agencies on the SOAP server `soap` of npm: a notary who asks for a user name and a digest of the password, and
// customs, which verify the X.509 signature of each request with `xml-crypto`. Neither signs what it answers.
//
//   node agencies.js CERTIFICATE_OF_THE_BUS        prints "NAME ready on URL" for each; serves on loopback until killed
//
// `GET /notary/seen` tells what the notary was told one way. All data are made up.
"use strict";

const crypto = require("node:crypto");
const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");
const soap = require("soap");
const { SignedXml } = require("xml-crypto");
const { DOMParser } = require("@xmldom/xmldom");

const USER = "esb";
const PASSWORD = "açıq sirr";
const SIGNATURE_NS = "http://www.w3.org/2000/09/xmldsig#";

const lost = [];
const nonces = new Set();

const notary = {
  Notary: {
    NotaryPort: {
      CheckPower({ Number: number, Pin: pin }) {
        if (pin === "7TESTXB") {
          throw fault("Client.Business.12", "Etibarnamə üçün icazə yoxdur: <gizli> & “qapalı”");
        }
        if (number !== "E-2026/1") return { ResultCode: "404" };
        return {
          ResultCode: "000",
          ValidUntil: "2027-02-28",
          Attorney: [
            { Pin: pin, FullName: "Ülviyyə Əliyeva <vəkil> & Co", Share: "0.50" },
            { Pin: "7TESTX2", FullName: "Işıq İsmayıl qızı" },
          ],
        };
      },
      ReportLoss({ Number: number }) {
        lost.push(number);
      },
    },
  },
};

const customs = {
  Customs: {
    CustomsPort: {
      FindDeclarations({ Pin: pin, Since: since }) {
        if (plain(pin) !== "7TESTX1") return { Total: "0", Found: {} };
        return {
          Total: "99999999999999999999.10",
          Found: {
            Declaration: [{ Number: "K/1", Goods: "çay & qəhvə", Value: "99999999999999999999.10", Cleared: day(since) }],
          },
        };
      },
    },
  },
};

function fault(code, text) {
  return { Fault: { faultcode: code, faultstring: text } };
}

// `soap` leaves values of rpc parts as text or, where they carry attributes, as an object.
function plain(value) {
  return value !== null && typeof value === "object" && "$value" in value ? value.$value : value;
}

function day(value) {
  const read = plain(value);
  return read instanceof Date ? read.toISOString().slice(0, 10) : String(read);
}

// WS-Security UsernameToken Profile 1.1.1, 3.1: Base64(SHA-1(nonce + created + password)); each nonce once.
function knowsThePassword(security) {
  const token = security && security.UsernameToken;
  if (!token || token.Username !== USER) return false;
  const nonce = plain(token.Nonce);
  if (!nonce || nonces.has(nonce)) return false;
  nonces.add(nonce);
  const digest = crypto.createHash("sha1");
  digest.update(Buffer.from(nonce, "base64")).update(plain(token.Created)).update(PASSWORD);
  return digest.digest("base64") === plain(token.Password);
}

// The Body that is served must be what the signature covers, by the certificate that is known beforehand.
function isSignedBy(certificate, xml) {
  const document = new DOMParser().parseFromString(xml, "text/xml");
  const [signature] = Array.from(document.getElementsByTagNameNS(SIGNATURE_NS, "Signature"));
  if (!signature) return false;
  const verifier = new SignedXml({ publicCert: certificate, idMode: "wssecurity" });
  verifier.loadSignature(signature);
  return verifier.checkSignature(xml) && verifier.getSignedReferences().some((part) => /^<[\w-]+:Body\b/.test(part));
}

function serve(name, service, authenticate) {
  const wsdl = fs.readFileSync(path.join(__dirname, `${name}.wsdl`), "utf8");
  const received = new WeakMap();
  const server = http.createServer((request, response) => {
    if (request.url === `/${name}/seen`) response.end(JSON.stringify(lost));
    else response.writeHead(404).end();
  });
  server.listen(0, "127.0.0.1", () => {
    const served = soap.listen(server, { path: `/${name}`, services: service, xml: wsdl, oneWay: { responseCode: 202 } });
    served.log = (type, data, request) => type === "received" && received.set(request, data);
    served.authenticate = (security, answer, request) => answer(authenticate(security, received.get(request)));
    console.log(`${name} ready on http://127.0.0.1:${server.address().port}/${name}`);
  });
}

const certificate = fs.readFileSync(process.argv[2], "utf8");
serve("notary", notary, knowsThePassword);
serve("customs", customs, (_security, xml) => isSignedBy(certificate, xml));
