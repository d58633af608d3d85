"""Users of a real provider of OpenID Connect, by keystoneauth's own plugins and by a browser.

usage: oidc.py URL CA PASSWORD PROVIDER   (PROVIDER: the base URL of a running `oidc-provider-mock`)

The controller's configuration has provider `acme` (tokens for client `cloud`), provider `opaque` (tokens that only the provider can
read) and the dashboard `https://horizon.test/auth/websso/`. Ends with a traceback where something is not as it should be.
"""

import html
import re
import sys

import requests
from keystoneauth1 import exceptions, session
from keystoneauth1.identity import v3

URL, CA, PASSWORD, PROVIDER = sys.argv[1:5]
DASHBOARD = "https://horizon.test/auth/websso/"
REDIRECT = "https://client.test/callback"


def log_in():
    auth = v3.Password(
        auth_url=URL, username="admin", password=PASSWORD, user_domain_id="default", project_name="admin",
        project_domain_id="default",
    )
    return session.Session(auth=auth, verify=CA)


def furnish(admin):
    """Two providers with one mapping, and a project for those who build."""

    def call(method, path, **body):
        answer = admin.request(URL + path, method, json=body or None)
        return answer.json() if answer.content else None

    role = call("GET", "/roles?name=member")["roles"][0]["id"]
    project = call("POST", "/projects", project={"name": "works"})["project"]["id"]
    group = call("POST", "/groups", group={"name": "builders", "domain_id": "default"})["group"]["id"]
    call("PUT", f"/projects/{project}/groups/{group}/roles/{role}")
    rules = [
        {"remote": [{"type": "OIDC-sub"}, {"type": "OIDC-email"}], "local": [{"user": {"id": "{0}", "name": "{1}"}}]},
        {
            "remote": [{"type": "OIDC-groups", "whitelist": ["builders"]}],
            "local": [{"groups": "{0}", "domain": {"id": "default"}}],
        },
    ]
    call("PUT", "/OS-FEDERATION/mappings/map", mapping={"rules": rules})
    for name, remote in (("acme", [PROVIDER]), ("opaque", [])):
        provider = {"enabled": True, "remote_ids": remote}
        call("PUT", f"/OS-FEDERATION/identity_providers/{name}", identity_provider=provider)
        protocol = {"mapping_id": "map", "remote_id_attribute": "HTTP_OIDC_ISS"}
        call("PUT", f"/OS-FEDERATION/identity_providers/{name}/protocols/openid", protocol=protocol)
    claims = {"email": "bob@acme.test", "groups": ["builders", "admins"]}
    requests.put(f"{PROVIDER}/users/bob", json=claims, timeout=10).raise_for_status()
    return project


def code(client="cloud", url=None, **more):
    """What the provider sends the browser of `bob` back with."""
    query = {"response_type": "code", "client_id": client, "redirect_uri": REDIRECT, "scope": "openid email", **more}
    url = url or requests.Request("GET", f"{PROVIDER}/oauth2/authorize", params=query).prepare().url
    answer = requests.post(url, data={"sub": "bob"}, allow_redirects=False, timeout=10)
    assert answer.status_code == 302, answer.text
    return answer.headers["Location"]


def by_code(provider, kind, client="cloud", **more):
    return v3.OidcAuthorizationCode(
        auth_url=URL, identity_provider=provider, protocol="openid", client_id=client, client_secret="secret",
        discovery_endpoint=f"{PROVIDER}/.well-known/openid-configuration", access_token_type=kind, redirect_uri=REDIRECT,
        code=re.search(r"code=([^&]+)", code(client))[1], **more,
    )


def by_token(provider, token, **more):
    return v3.OidcAccessToken(auth_url=URL, identity_provider=provider, protocol="openid", access_token=token, **more)


def refused(auth):
    try:
        auth.get_access(session.Session(verify=CA))
    except exceptions.Unauthorized:
        return
    raise AssertionError("a login that should have been refused")


def id_token(client="cloud"):
    form = {"grant_type": "authorization_code", "redirect_uri": REDIRECT}
    form["code"] = re.search(r"code=([^&]+)", code(client))[1]
    answer = requests.post(f"{PROVIDER}/oauth2/token", data=form, auth=(client, "secret"), timeout=10)
    return answer.json()["id_token"]


def plugins(project):
    by = session.Session(auth=by_code("acme", "id_token", project_id=project), verify=CA)
    access = by.auth.get_access(by)
    assert access.username == "bob@acme.test" and access.role_names == ["member", "reader"], access.role_names
    assert access.project_id == project and access.is_federated
    first = access.user_id
    token = id_token()
    unscoped = by_token("acme", token).get_access(session.Session(verify=CA))
    assert unscoped.user_id == first, "the same user every time"
    # What only the provider can read.
    opaque = by_code("opaque", "access_token", project_id=project).get_access(session.Session(verify=CA))
    assert opaque.username == "bob@acme.test" and opaque.user_id != first
    print("keystoneauth's plugins: code and access token, JWT and opaque")
    # What must not be believed.
    refused(by_token("acme", id_token("another-client")))
    head, body, signature = token.split(".")
    refused(by_token("acme", f"{head}.{body}.{signature[::-1]}"))
    refused(by_token("acme", f"eyJhbGciOiJub25lIn0.{body}."))
    refused(by_token("acme", "nonsense"))
    refused(by_token("opaque", "nonsense"))
    print("refused: another client's token, a wrong signature, none at all, nonsense")


def browser():
    """As Horizon has it: a form that leads to the provider and back."""
    browser = requests.Session()
    browser.trust_env = False
    browser.verify = CA
    start = f"{URL}/auth/OS-FEDERATION/identity_providers/acme/protocols/openid/websso"
    assert browser.get(start, params={"origin": "https://evil.test/"}, timeout=10).status_code == 401
    sent = browser.get(start, params={"origin": DASHBOARD}, allow_redirects=False, timeout=10)
    assert sent.status_code == 302, sent.text
    assert "code_challenge_method=S256" in sent.headers["Location"]
    back = code(url=sent.headers["Location"])
    assert requests.get(back, verify=CA, timeout=10).status_code == 401, "another browser"
    page = browser.get(back, timeout=10)
    assert page.status_code == 200, page.text
    assert f'action="{html.escape(DASHBOARD)}"' in page.text
    token = re.search(r'name="token" value="([^"]+)"', page.text)[1]
    headers = {"X-Auth-Token": token, "X-Subject-Token": token}
    shown = requests.get(f"{URL}/auth/tokens", headers=headers, verify=CA, timeout=10).json()["token"]
    assert shown["user"]["name"] == "bob@acme.test" and shown["methods"] == ["openid"], shown
    assert browser.get(back, timeout=10).status_code == 401, "a code and a cookie are good for once"
    print("a browser: to the provider and back to the dashboard")


def main():
    admin = log_in()
    project = furnish(admin)
    plugins(project)
    browser()


if __name__ == "__main__":
    main()
