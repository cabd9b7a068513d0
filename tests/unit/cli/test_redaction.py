"""Passwords leave every place where people put them, and what is wrong with a password stays wrong."""

import base64
import copy
import json

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from cli.boundary import redaction
from frr_adapter.boundary import decoders

PASSWORD = "hunter2hunter"


def encoded(text):
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def peer(**spec):
    meta = {"name": "p", "namespace": "m"}
    return {"apiVersion": "metallb.io/v1beta2", "kind": "BGPPeer", "metadata": meta, "spec": {"myASN": 1, **spec}}


def secret(**more):
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "m"}, **more}


def config_map(**data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "m"}, "data": data}


EXTRAS = f"""! ours
router bgp 64600
 neighbor 192.0.2.9 remote-as 64999
 neighbor 192.0.2.9 password {PASSWORD}
 neighbor 192.0.2.8 passw 8 {PASSWORD}
 neighbor 192.0.2.7\tpassword\t{PASSWORD}
key chain k
 key 1
  key-string {PASSWORD}
interface eth0
 ip ospf message-digest-key 1 md5 {PASSWORD}
 ip ospf authentication-key {PASSWORD}
 ip rip authentication string {PASSWORD}
"""
OLD = f"""peers:
- peer-address: 192.0.2.1
  password: {PASSWORD}
  my-asn: 64600
- password: "{PASSWORD}"
  peer-asn: 1
- {{peer-asn: 2, password: {PASSWORD}, my-asn: 3}}
- {{"peer-asn": 4, "password": "{PASSWORD}"}}
- peer-asn: 5
  password: >-
    {PASSWORD}
  my-asn: 6
"""
WAYS = {
    "below": f"- password:\n    {PASSWORD}\n  x: 1\n",
    "a complex key": f"- ? password\n  : {PASSWORD}\n",
    "an anchor": f"x: &p {PASSWORD}\ny:\n- password: *p\n",
    "before the colon": f"- password : {PASSWORD}\n",
    "two lines": f"- password: abcdefgh\n    {PASSWORD}\n",
    "two quoted lines": f'- password: "abcdefgh\n    {PASSWORD}"\n',
    "JSON": json.dumps({"peers": [{"password": PASSWORD}]}, indent=1).replace(": ", ":\n"),
    "another field": f"- tcp-password: {PASSWORD}\n",
}
LAST = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(peer(password=PASSWORD)), "kept": "yes"}
PLACES = {
    "spec": peer(password=PASSWORD),
    "annotation": {**peer(), "metadata": {"name": "p", "annotations": LAST, "managedFields": [{"f": PASSWORD}]}},
    "annotation of a Service": {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "p", "annotations": LAST, "managedFields": [{"f": PASSWORD}]},
    },
    "data": secret(data={"password": encoded(PASSWORD), "other": encoded(PASSWORD)}),
    "stringData": secret(stringData={"password": PASSWORD}),
    "extras": config_map(extras=EXTRAS),
    "old MetalLB": config_map(config=OLD),
    "a key of its own": config_map(password=PASSWORD),
    "binary data": {**config_map(), "binaryData": {"x": encoded(PASSWORD)}},
    "a field of that kind": config_map(BGP_PASSWORD=PASSWORD, token=PASSWORD),
    "no map": {**config_map(), "data": f"neighbor 192.0.2.1 password {PASSWORD}"},
    "blanks": config_map(extras=f" neighbor 192.0.2.9 password abc {PASSWORD}\n neighbor 192.0.2.9 pasword {PASSWORD}"),
    "another protocol": config_map(extras=f"interface x\n ip nhrp authentication {PASSWORD}"),
    "mistyped": peer(passwrd=PASSWORD, pasword=PASSWORD, Password=PASSWORD, passwordSecret=PASSWORD),
    "put into the reference": peer(passwordSecret={"name": [PASSWORD], "password": PASSWORD}),
    "another tool's annotation": {
        **peer(),
        "metadata": {"name": "p", "annotations": {"some.tool/was": json.dumps(peer(password=PASSWORD))}},
    },
    "a Secret's annotation": secret(metadata={"name": "s", "annotations": {"some.tool/was": encoded(PASSWORD)}}),
    "beside data": secret(password=PASSWORD, stringdata={"password": PASSWORD}),
    "a login": {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"env": [{"name": "AT", "value": f"https://me:{PASSWORD}@proxy.invalid"}]}]},
    },
    "a flag": {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"args": [f"--db-password={PASSWORD}", "--token", PASSWORD], "command": ["x"]}]},
    },
    **{f"YAML: {way}": config_map(config=text) for way, text in WAYS.items()},
    "frr-k8s": {
        "apiVersion": "frrk8s.metallb.io/v1beta1",
        "kind": "FRRConfiguration",
        "metadata": {"name": "f"},
        "spec": {"bgp": {"routers": [{"neighbors": [{"password": PASSWORD}]}]}, "raw": {"rawConfig": EXTRAS}},
    },
    "a status": {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "NodeBGPStatus",
        "metadata": {"name": "n"},
        "status": {"lastError": f"refused: neighbor 192.0.2.1 password {PASSWORD}"},
    },
    "an environment": {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"env": [{"name": "METALLB_ML_SECRET_KEY", "value": PASSWORD}]}]},
    },
}


@pytest.mark.parametrize("place", PLACES)
def test_a_password_leaves(place):
    found = json.dumps(redaction.hide(copy.deepcopy(PLACES[place])))
    assert PASSWORD not in found
    assert encoded(PASSWORD) not in found


@pytest.mark.parametrize("place", PLACES)
def test_hiding_twice_is_hiding_once(place):
    once = redaction.hide(copy.deepcopy(PLACES[place]))
    assert redaction.hide(copy.deepcopy(once)) == once


@pytest.mark.parametrize("place", PLACES)
def test_nothing_that_could_be_compared_is_given_away(place):
    found = redaction.forget(redaction.hide(copy.deepcopy(PLACES[place])))
    assert redaction.stand_in(PASSWORD) not in json.dumps(found)
    assert encoded(redaction.stand_in(PASSWORD)) not in json.dumps(found)


def test_the_rest_stays():
    lines = redaction.hide_text(EXTRAS).splitlines()
    kept = [line for line in EXTRAS.splitlines() if PASSWORD not in line]
    assert [line for line in lines if line in kept] == kept
    assert len(lines) == len(EXTRAS.splitlines())
    assert f" neighbor 192.0.2.9 password {redaction.stand_in(PASSWORD)}" in lines
    assert redaction.hide(copy.deepcopy(PLACES["annotation"]))["metadata"]["annotations"] == {"kept": "yes"}
    old = redaction.hide_text(OLD)
    for kept in ("my-asn: 64600", "peer-asn: 1", "my-asn: 3}", '{"peer-asn": 4, "password": "', "my-asn: 6"):
        assert kept in old


def test_words_about_passwords_stay():
    said = "parsing peer p password not specified; the password has 90 characters"
    status = {"kind": "ConfigurationState", "metadata": {"name": "n"}, "status": {"lastError": said}}
    assert redaction.hide(status)["status"]["lastError"] == said


def test_our_own_variables_and_definitions_stay():
    variable = {"name": "METALLB_ML_SECRET_NAME", "value": "memberlist"}
    pod = {"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"env": [variable]}]}}
    assert redaction.hide(copy.deepcopy(pod)) == pod
    schema = {"kind": "CustomResourceDefinition", "spec": {"properties": {"password": {"type": "string"}}}}
    assert redaction.hide(copy.deepcopy(schema)) == schema


def test_equal_passwords_have_equal_stand_ins_and_others_have_others():
    assert redaction.stand_in("a") == redaction.stand_in("a\n")
    assert redaction.stand_in("a") != redaction.stand_in("b")
    assert redaction.stand_in("") == ""
    assert redaction.stand_in(redaction.UNKNOWN) == redaction.UNKNOWN


@given(st.text(max_size=100))
@example("two words")
@example("x" * 81)
@example("tab\t")
@example("\x00")
def test_a_password_that_cannot_be_used_still_cannot(text):
    def usable(password):
        said = password.rstrip("\r\n")
        return bool(said) and len(said) <= 80 and said.isprintable() and " " not in said

    assert usable(redaction.stand_in(text)) is usable(text)
    if not usable(text):
        assert len(redaction.stand_in(text)) == len(text.rstrip("\r\n"))


@pytest.mark.parametrize("data", [{"password": "***not base64"}, {"password": encoded(b"\xff\xfe")}, {"other": "eA=="}])
def test_a_secret_that_cannot_be_read_still_cannot(data):
    def password(raw):
        return decoders.DECODERS["Secret"](json.dumps(raw).encode()).value.password

    raw = secret(data=data, type="t")
    assert password(raw) is None
    hidden = redaction.hide(copy.deepcopy(raw))
    assert password(hidden) is None
    assert password(redaction.forget(hidden)) is None


def test_a_password_of_another_type_is_told_as_before():
    def told(raw):
        return decoders.DECODERS["BGPPeer"](json.dumps(raw).encode()).problems

    raw = peer(password=12345678, peerASN=2, peerAddress="192.0.2.1")
    assert "12345678" not in json.dumps(redaction.hide(copy.deepcopy(raw)))
    assert told(redaction.hide(copy.deepcopy(raw))) == told(raw) != ()


@pytest.mark.parametrize(
    "raw", [{}, {"kind": "Secret", "data": []}, {"kind": "ConfigMap", "data": "x"}, {"metadata": 1}]
)
def test_objects_of_another_form_are_no_trouble(raw):
    assert redaction.hide(copy.deepcopy(raw)) == raw
    assert redaction.forget(raw) == raw
    assert redaction.knows(raw)


def test_whether_all_passwords_are_known():
    assert redaction.knows(redaction.hide(peer(password=PASSWORD)))
    assert not redaction.knows(peer(password=redaction.UNKNOWN))
    assert redaction.knows(redaction.hide(secret(stringData={"password": PASSWORD})))
    assert not redaction.knows(redaction.forget(redaction.hide(secret(stringData={"password": PASSWORD}))))
    assert not redaction.knows(redaction.forget(redaction.hide(config_map(extras=EXTRAS))))


def test_flags_and_references_that_are_no_passwords_stay():
    args = ["--log-level=debug", "--ml-secret-key-path", "/etc/ml", "--lb-class", "x"]
    pod = {"kind": "Pod", "metadata": {}, "spec": {"containers": [{"args": args}]}}
    assert redaction.hide(copy.deepcopy(pod)) == pod
    named = peer(passwordSecret={"name": "s", "namespace": "m"})
    assert redaction.hide(copy.deepcopy(named)) == named


def test_an_annotation_that_repeats_a_password_does_not_make_it_unknown():
    raw = {
        **peer(password=PASSWORD),
        "metadata": {"name": "p", "annotations": {"some.tool/was": f"password {PASSWORD}"}},
    }
    assert redaction.knows(redaction.hide(raw))


def test_yaml_that_is_written_anew_still_says_the_same():
    hidden = redaction.hide(config_map(config=WAYS["an anchor"]))["data"]["config"]
    word = redaction.stand_in(PASSWORD)
    assert yaml.safe_load(hidden) == {"x": word, "y": [{"password": word}]}
