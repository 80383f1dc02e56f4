from django.urls import path

from generation import views, webhooks

app_name = "generation"

urlpatterns = [
    path("generate/", views.generate, name="generate"),
    path("recover/", views.recover, name="recover"),
    path("videos/<uuid:pk>/attach/", views.attach, name="attach"),
    path("refresh/", views.refresh, name="refresh"),
    path("webhooks/kie/<str:token>/", webhooks.callback, name="callback"),
]
