"""The product's pages and the floor under them: a view that only asks who is there."""

from django.http import HttpResponse
from django.urls import path

from videostudio.urls import urlpatterns as product


def floor(request):
    return HttpResponse(request.user.get_username())


urlpatterns = [path("floor/", floor), *product]
