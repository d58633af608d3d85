"""Users and groups of a real slapd, over StartTLS and TLS.

usage: directory.py URL CA PASSWORD FOLDER   (FOLDER: where the server's files lie; it is started and ended here)

Ends with a traceback where something is not as it should be.
"""

import os
import shutil
import subprocess
import sys
import time

import requests

URL, CA, PASSWORD, FOLDER = sys.argv[1:5]
SUFFIX = "dc=acme,dc=test"
CONFIG = f"""
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {FOLDER}/slapd.pid
TLSCertificateFile {FOLDER}/server.pem
TLSCertificateKeyFile {FOLDER}/server.key
security simple_bind=128
database mdb
suffix "{SUFFIX}"
rootdn "cn=root,{SUFFIX}"
rootpw rootsecret
directory {FOLDER}/db
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="cn=reader,{SUFFIX}" read by * none
"""


def entry(dn, **attributes):
    lines = [f"dn: {dn}"]
    for name, values in attributes.items():
        lines += [f"{name}: {value}" for value in (values if isinstance(values, list) else [values])]
    return "\n".join(lines) + "\n\n"


def person(uid, name, password, **more):
    dn = f"uid={uid},ou=People,{SUFFIX}"
    return entry(dn, objectClass="inetOrgPerson", uid=uid, cn=uid, sn=name, userPassword=password, **more)


def group(name, *members):
    return entry(f"cn={name},ou=Groups,{SUFFIX}", objectClass="groupOfNames", cn=name, member=list(members))


def dn(uid):
    return f"uid={uid},ou=People,{SUFFIX}"


LDIF = (
    entry(SUFFIX, objectClass=["dcObject", "organization"], dc="acme", o="Acme")
    + entry(f"cn=reader,{SUFFIX}", objectClass=["organizationalRole", "simpleSecurityObject"], cn="reader", userPassword="r")
    + entry(f"ou=People,{SUFFIX}", objectClass="organizationalUnit", ou="People")
    + entry(f"ou=Groups,{SUFFIX}", objectClass="organizationalUnit", ou="Groups")
    + person("alice", "Alice", "wonder", mail="alice@acme.test", employeeType="512", description="First")
    + person("bob", "Bob", "builder", employeeType="514")
    + person("star", "S*r", "starry", employeeType="512")
    + group("builders", dn("alice"), dn("bob"))
    + group("everybody", f"cn=builders,ou=Groups,{SUFFIX}", dn("star"))
)


class Server:
    def __init__(self):
        os.makedirs(f"{FOLDER}/db")
        openssl = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
        openssl += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"]
        run = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run([*openssl, "-keyout", f"{FOLDER}/server.key", "-out", f"{FOLDER}/server.pem"], **run)
        for name, text in (("slapd.conf", CONFIG), ("data.ldif", LDIF)):
            with open(f"{FOLDER}/{name}", "w", encoding="utf-8") as file:
                file.write(text)
        slapadd = shutil.which("slapadd") or "/usr/sbin/slapadd"
        subprocess.run([slapadd, "-f", f"{FOLDER}/slapd.conf", "-l", f"{FOLDER}/data.ldif"], check=True)
        self.process = None

    def start(self):
        slapd = shutil.which("slapd") or "/usr/sbin/slapd"
        listen = "ldap://127.0.0.1:3890 ldaps://127.0.0.1:6360"
        log = open(f"{FOLDER}/slapd.log", "ab")
        self.process = subprocess.Popen([slapd, "-f", f"{FOLDER}/slapd.conf", "-h", listen, "-d", "0"], stderr=log)
        for _ in range(100):
            if subprocess.run(["sh", "-c", "exec 3<>/dev/tcp/127.0.0.1/3890"], executable="/bin/bash", stderr=-3).returncode == 0:
                return
            time.sleep(0.1)
        raise AssertionError("slapd does not answer")

    def stop(self):
        self.process.terminate()
        self.process.wait(10)

    def modify(self, text):
        command = ["ldapmodify", "-H", "ldaps://127.0.0.1:6360", "-D", f"cn=root,{SUFFIX}", "-w", "rootsecret"]
        subprocess.run(command, input=text.encode(), check=True, stdout=-3, env={**os.environ, "LDAPTLS_REQCERT": "never"})


class Cloud:
    def __init__(self):
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = CA
        scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
        self.admin = self.login("admin", PASSWORD, {"id": "default"}, scope).headers["X-Subject-Token"]

    def call(self, method, path, body=None, status=None):
        headers = {"X-Auth-Token": self.admin}
        answer = self.session.request(method, URL + path, json=body, headers=headers, timeout=60)
        if status:
            assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    def login(self, name, password, domain, scope=None):
        user = {"name": name, "domain": domain, "password": password}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
        if scope:
            body["auth"]["scope"] = scope
        return self.session.post(URL + "/auth/tokens", json=body, timeout=60)


def options(**more):
    return {
        "user": f"cn=reader,{SUFFIX}", "password": "r", "suffix": SUFFIX,
        "user_tree_dn": f"ou=People,{SUFFIX}", "user_objectclass": "inetOrgPerson", "user_id_attribute": "uid",
        "user_name_attribute": "sn", "user_enabled_attribute": "employeeType", "user_enabled_mask": 2,
        "user_enabled_default": "512", "group_tree_dn": f"ou=Groups,{SUFFIX}", "group_id_attribute": "cn",
        "group_name_attribute": "cn", "group_ad_nesting": True, "tls_cacertfile": f"{FOLDER}/server.pem", **more,
    }


def story(cloud, server, how, name, more):
    domain = cloud.call("POST", "/domains", {"domain": {"name": name}}, 201).json()["domain"]["id"]
    config = {"config": {"identity": {"driver": "ldap"}, "ldap": options(**more)}}
    cloud.call("PUT", f"/domains/{domain}/config", config, 201)
    here = {"id": domain}
    users = cloud.call("GET", f"/users?domain_id={domain}", status=200).json()["users"]
    assert {user["name"]: user["enabled"] for user in users} == {"Alice": True, "Bob": False, "S*r": True}, users
    alice = next(user for user in users if user["name"] == "Alice")
    assert alice["email"] == "alice@acme.test" and len(alice["id"]) == 64
    groups = cloud.call("GET", f"/groups?domain_id={domain}", status=200).json()["groups"]
    ids = {group["name"]: group["id"] for group in groups}
    assert set(ids) == {"builders", "everybody"}, groups
    members = cloud.call("GET", f"/groups/{ids['everybody']}/users", status=200).json()["users"]
    assert sorted(user["name"] for user in members) == ["Alice", "Bob", "S*r"], "a group within a group"
    project = cloud.call("POST", "/projects", {"project": {"name": f"p-{name}"}}, 201).json()["project"]["id"]
    role = cloud.call("GET", "/roles?name=member").json()["roles"][0]["id"]
    cloud.call("PUT", f"/projects/{project}/groups/{ids['everybody']}/roles/{role}", status=204)
    scope = {"project": {"id": project}}
    came = cloud.login("Alice", "wonder", here, scope)
    assert came.status_code == 201, came.text
    assert came.json()["token"]["user"]["id"] == alice["id"]
    for user, password in [
        ("Alice", "wrong"), ("Alice", ""), ("Bob", "builder"), ("*", "wonder"), ("Alice)(sn=*", "wonder"), ("S*", "starry"),
        ("Al*", "wonder"), ("nobody", ""), ("Alice\x00", "wonder"), ("\\41lice", "wonder"),
    ]:
        answer = cloud.login(user, password, here)
        assert answer.status_code in (400, 401), f"{user!r} {password!r}: {answer.status_code} {answer.text}"
    assert cloud.login("S*r", "starry", here).status_code == 201, "a name with a star is a name"
    user = {"user": {"name": "new", "domain_id": domain}}
    for method, path, body in [
        ("POST", "/users", user), ("PATCH", f"/users/{alice['id']}", {"user": {"email": "x"}}), ("DELETE", f"/users/{alice['id']}", None),
        ("POST", "/groups", {"group": {"name": "new", "domain_id": domain}}), ("DELETE", f"/groups/{ids['builders']}", None),
        ("PUT", f"/groups/{ids['builders']}/users/{alice['id']}", None),
    ]:
        cloud.call(method, path, body, 403)
    print(f"{how}: lists, nested groups, logins, escaping, no writes")
    return domain, alice, scope, ids


def changes(cloud, server, domain, alice, scope):
    """What changes in the directory changes here."""
    here = {"id": domain}
    server.modify(f"dn: {dn('alice')}\nchangetype: modify\nreplace: sn\nsn: Alicia\n")
    assert cloud.login("Alicia", "wonder", here, scope).json()["token"]["user"]["id"] == alice["id"], "another name, the same user"
    server.modify(f"dn: cn=builders,ou=Groups,{SUFFIX}\nchangetype: modify\ndelete: member\nmember: {dn('alice')}\n")
    assert cloud.login("Alicia", "wonder", here, scope).status_code == 401, "out of the group, out of the project"
    token = cloud.login("Alicia", "wonder", here).headers["X-Subject-Token"]
    server.modify(f"dn: {dn('alice')}\nchangetype: delete\n")
    users = cloud.call("GET", f"/users?domain_id={domain}&enabled=true", status=200).json()["users"]
    assert [user["name"] for user in users] == ["S*r"], users
    shown = cloud.session.get(URL + "/auth/tokens", headers={"X-Auth-Token": token, "X-Subject-Token": token}, timeout=30)
    assert shown.status_code == 401, "who is gone has no token"
    assert cloud.login("Alicia", "wonder", here).status_code == 401
    print("renamed, taken out, deleted: it holds here")


def main():
    server, cloud = Server(), Cloud()
    server.start()
    try:
        story(cloud, server, "TLS", "tls", {"url": "ldaps://localhost:6360", "page_size": 2})
        start = {"url": "ldap://localhost:1,ldap://localhost:3890", "use_tls": True, "query_scope": "sub"}
        domain, alice, scope, _ = story(cloud, server, "StartTLS", "starttls", start)
        changes(cloud, server, domain, alice, scope)
    finally:
        server.stop()
    # A directory that does not answer takes nobody in, and nothing else down.
    assert cloud.login("S*r", "starry", {"id": domain}).status_code >= 400
    assert cloud.call("GET", f"/users?domain_id={domain}", status=200).json()["users"]
    server.start()
    try:
        assert cloud.login("S*r", "starry", {"id": domain}).status_code == 201, "it is back"
    finally:
        server.stop()
    print("a server that went away and came back")


if __name__ == "__main__":
    main()
