from __future__ import annotations

import json
import re

import traitlets

from cxrtutor.viewing.widgets.page_widget import PageWidget


class Greeting(PageWidget):
    _esm = "export default { render({ model, el }) { el.textContent = '</script><!--' + model.get('name'); } }"
    name = traitlets.Unicode("x").tag(sync=True)
    unseen = traitlets.Unicode("stays in Python")


def test_page_is_given_the_present_values_of_declared_traits_alone():
    greeting = Greeting()
    greeting.name = "Ada"
    assert greeting.page_values() == {"name": "Ada"}


def test_bundle_serves_a_kernel_and_a_page():
    data, _ = Greeting()._repr_mimebundle_()
    assert {"text/html", "application/vnd.jupyter.widget-view+json"} <= set(data)


def test_nothing_in_the_script_ends_it_or_opens_markup():
    html = Greeting(name="</script><script>alert(1)</script><!-- <b>").page_html()
    script = html[html.index("<script>") + len("<script>") : html.rindex("</script>")]
    assert re.search(r"</|<!--|<script", script) is None


def test_script_holds_the_module_and_the_values_exactly():
    greeting = Greeting(name="<Ä 'quoted' \\ \u2028 \U0001fac1>")
    arguments = greeting.page_html().rsplit("previousElementSibling, ", 1)[1].rsplit(");</script>", 1)[0]
    source, end = json.JSONDecoder().raw_decode(arguments)
    assert source == Greeting._esm
    assert json.loads(arguments[end + 2 :]) == {"name": greeting.name}
