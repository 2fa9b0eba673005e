"""An ordinary Bolt app, as somebody would write it; run by an interpreter that has ``slack_bolt``.

Arguments: the Web API's address, the bot token, the signing secret. The first line it prints is the port.
"""

import sys
from http.server import HTTPServer
from threading import Thread

from slack_bolt import App
from slack_bolt.app.app import SlackAppDevelopmentServer
from slack_sdk import WebClient

base_url, token, signing_secret = sys.argv[1:]
app = App(client=WebClient(token, base_url=base_url), signing_secret=signing_secret)


@app.event("app_mention")
def mentioned(event, say):
    say(
        text=f"Hi <@{event['user']}>",
        blocks=[
            {
                "type": "actions",
                "elements": [
                    {
                        "type": "button",
                        "action_id": "approve",
                        "value": "order-7",
                        "text": {"type": "plain_text", "text": "Approve"},
                    }
                ],
            }
        ],
    )


@app.command("/deploy")
def deploy(ack, command, respond):
    ack("On it")
    respond(text=f"Deployed {command['text']}", response_type="in_channel")


@app.action("approve")
def approve(ack, body, action, client, respond):
    ack()
    client.chat_update(
        channel=body["channel"]["id"],
        ts=body["message"]["ts"],
        text=f"Approved {action['value']} by {body['user']['username']}",
        blocks=[],
    )
    respond(text="Thank you")


server = SlackAppDevelopmentServer(0, "/slack/events", app, http_server_logger_enabled=False)
http: HTTPServer = server._server
print(http.server_address[1], flush=True)
Thread(target=http.serve_forever, daemon=True).start()
sys.stdin.read()
http.shutdown()
