"""The worked example of a Replicate webhook signature, verified with three independent implementations."""

VECTOR_SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
VECTOR_ID = "msg_2bXkQ7uPfHc9sVnYtW3ZrLmD0aE"
VECTOR_TIMESTAMP = 1795000000
VECTOR_BODY = (
    b'{"id":"gm3qorzdhgbfurvjtvhg6dckhu","model":"replicate/hello-world",'
    b'"version":"5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa","input":{"text":"Alice"},'
    b'"output":"hello Alice","status":"succeeded","error":null,"logs":"",'
    b'"metrics":{"predict_time":0.012683,"total_time":0.025507}}'
)
VECTOR_SIGNATURE = "v1,LRfqPUWYcNfRu7WXYbnu/FI+vDhFlWBIvdZnh6WQsKI="
