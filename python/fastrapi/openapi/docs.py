"""Pages that show an application's description: Swagger UI, ReDoc and Scalar."""

import json
from html import escape
from typing import Any

from starlette.responses import HTMLResponse

from ..encoders import jsonable_encoder

swagger_ui_default_parameters: dict[str, Any] = {
    "dom_id": "#swagger-ui",
    "layout": "BaseLayout",
    "deepLinking": True,
    "showExtensions": True,
    "showCommonExtensions": True,
}

# No reports of its use to its makers, and no assistant of theirs, which asks them what it
# can do whenever the page is opened on the machine that serves it.
scalar_default_parameters: dict[str, Any] = {"telemetry": False, "agent": {"disabled": True}}

# What else of Scalar's page lives elsewhere: fonts, and buttons that lead there.
scalar_local_parameters: dict[str, Any] = {
    "withDefaultFonts": False,
    "showDeveloperTools": "never",
    "hideClientButton": True,
}


def _in_script(value: Any) -> str:
    """JSON that does not end the script element it stands in."""
    text = json.dumps(jsonable_encoder(value))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _quoted(text: str) -> str:
    """A string in single quotes, as a literal of a script."""
    inside = _in_script(text)[1:-1].replace("'", "\\u0027")
    return f"'{inside}'"


def _page(title: str, head: list[str], body: list[str]) -> HTMLResponse:
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title>",
        *head,
        "</head>",
        "<body>",
        *body,
        "</body>",
        "</html>",
        "",
    ]
    return HTMLResponse("\n".join(lines))


def get_swagger_ui_html(
    *,
    openapi_url: str,
    title: str,
    swagger_js_url: str = "https://cdn.jsdelivr.net/npm/swagger-ui-dist@5/swagger-ui-bundle.js",
    swagger_css_url: str = "https://cdn.jsdelivr.net/npm/swagger-ui-dist@5/swagger-ui.css",
    swagger_favicon_url: str = "https://fastapi.tiangolo.com/img/favicon.png",
    oauth2_redirect_url: str | None = None,
    init_oauth: dict[str, Any] | None = None,
    swagger_ui_parameters: dict[str, Any] | None = None,
) -> HTMLResponse:
    """The page of Swagger UI; its script and style may come from elsewhere."""
    settings = {"url": openapi_url, **swagger_ui_default_parameters, **(swagger_ui_parameters or {})}
    script = ["const ui = SwaggerUIBundle({"]
    script += [f"  {_in_script(name)}: {_in_script(value)}," for name, value in settings.items()]
    if oauth2_redirect_url:
        script.append(f"  oauth2RedirectUrl: window.location.origin + {_quoted(oauth2_redirect_url)},")
    script += [
        "  presets: [",
        "    SwaggerUIBundle.presets.apis,",
        "    SwaggerUIBundle.SwaggerUIStandalonePreset,",
        "  ],",
        "});",
    ]
    if init_oauth:
        script.append(f"ui.initOAuth({_in_script(init_oauth)});")
    return _page(
        title,
        [
            f'<link rel="stylesheet" href="{escape(swagger_css_url)}">',
            f'<link rel="shortcut icon" href="{escape(swagger_favicon_url)}">',
            "<style>body { margin: 0; }</style>",
        ],
        [
            '<div id="swagger-ui"></div>',
            f'<script src="{escape(swagger_js_url)}"></script>',
            "<script>",
            *script,
            "</script>",
        ],
    )


def get_redoc_html(
    *,
    openapi_url: str,
    title: str,
    redoc_js_url: str = "https://cdn.jsdelivr.net/npm/redoc@2/bundles/redoc.standalone.js",
    redoc_favicon_url: str = "https://fastapi.tiangolo.com/img/favicon.png",
    with_google_fonts: bool = True,
) -> HTMLResponse:
    """The page of ReDoc."""
    fonts = "https://fonts.googleapis.com/css?family=Montserrat:300,400,700|Roboto:300,400,700"
    head = [f'<link rel="stylesheet" href="{fonts}">'] if with_google_fonts else []
    head += [
        f'<link rel="shortcut icon" href="{escape(redoc_favicon_url)}">',
        "<style>body { margin: 0; padding: 0; }</style>",
    ]
    return _page(
        title,
        head,
        [
            "<noscript>This page needs JavaScript.</noscript>",
            f'<redoc spec-url="{escape(openapi_url)}"></redoc>',
            f'<script src="{escape(redoc_js_url)}"></script>',
        ],
    )


def get_scalar_html(
    *,
    openapi_url: str,
    title: str,
    scalar_js_url: str = "https://cdn.jsdelivr.net/npm/@scalar/api-reference@1",
    scalar_favicon_url: str = "https://fastapi.tiangolo.com/img/favicon.png",
    scalar_parameters: dict[str, Any] | None = None,
) -> HTMLResponse:
    """The page of Scalar's API reference; the parameters are its configuration."""
    settings = {"url": openapi_url, **scalar_default_parameters, **(scalar_parameters or {})}
    return _page(
        title,
        [f'<link rel="shortcut icon" href="{escape(scalar_favicon_url)}">'],
        [
            "<noscript>This page needs JavaScript.</noscript>",
            '<div id="app"></div>',
            f'<script src="{escape(scalar_js_url)}"></script>',
            "<script>",
            f'Scalar.createApiReference("#app", {_in_script(settings)});',
            "</script>",
        ],
    )


# What comes back from an authorization server is handed to the window that opened
# this one, as Swagger UI expects it.  A server's Cross-Origin-Opener-Policy may have parted the two.
_OAUTH2_SCRIPT = """
function handOver(oauth2) {
  const text = window.location.hash ? window.location.hash.substring(1) : window.location.search.substring(1);
  const answer = Object.fromEntries(new URLSearchParams(text));
  const isValid = answer.state === oauth2.state;
  const auth = oauth2.auth, redirectUrl = oauth2.redirectUrl;
  const byCode = ["accessCode", "authorizationCode", "authorization_code"].includes(auth.schema.get("flow"));
  const report = (level, message) => oauth2.errCb({ authId: auth.name, source: "auth", level, message });
  if (byCode && !auth.code) {
    if (!isValid) report("warning", "The server gave back another state than it was sent.");
    if (answer.code) {
      delete oauth2.state;
      auth.code = answer.code;
      oauth2.callback({ auth, redirectUrl });
    } else {
      const parts = [answer.error, answer.error_description, answer.error_uri].filter(Boolean);
      report("error", parts.join(": ") || "The server gave no access code.");
    }
  } else {
    oauth2.callback({ auth, token: answer, isValid, redirectUrl });
  }
  window.close();
}
const oauth2 = window.opener && window.opener.swaggerUIRedirectOauth2;
if (oauth2) handOver(oauth2);
else document.body.append("This page ends a log-in that Swagger UI began in another window; that window is not there.");
"""


def get_swagger_ui_oauth2_redirect_html() -> HTMLResponse:
    """The page to which an authorization server sends Swagger UI's window back."""
    no_icon = '<link rel="icon" href="data:,">'
    return _page("Swagger UI: OAuth2 Redirect", [no_icon], ["<script>", _OAUTH2_SCRIPT.strip(), "</script>"])
