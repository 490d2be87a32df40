"""The page itself: a shell without content, which the modules in `static` fill."""

import jinja2
from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from kobza.webui.collection import Collection
from kobza.webui.static_files import FILES

TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("kobza.webui"), autoescape=True, undefined=jinja2.StrictUndefined
)
TEMPLATES.globals["static"] = f"static/{FILES.version}"
SHELL = TEMPLATES.get_template("index.html")
LOGIN = TEMPLATES.get_template("login.html")  # what is shown in its place to who has not given the password


def router(collection: Collection) -> APIRouter:
    routes = APIRouter()

    @routes.get("/", response_class=HTMLResponse)
    @routes.head("/", response_class=HTMLResponse)
    def page() -> HTMLResponse:
        return HTMLResponse(SHELL.render(), headers={"Cache-Control": "no-cache"})

    return routes
